-- A farm of 40,000 procs, for the cost of a comparison.
-- The triggers would do the same row by row, and take minutes.
SET session_replication_role = replica;
INSERT INTO facility(pk_facility,str_name) VALUES ('fac','site');
INSERT INTO dept(pk_dept,str_name) SELECT md5('d'||g), 'd'||g FROM generate_series(1,6) g;
INSERT INTO show(pk_show,str_name,b_active,b_scheduler_managed) SELECT md5('s'||g)::uuid::text,'s'||g,true,true FROM generate_series(1,10) g;
INSERT INTO alloc(pk_alloc,str_name,str_tag,pk_facility) SELECT md5('a'||g)::uuid::text,'site.a'||g,'t'||g,'fac' FROM generate_series(1,4) g;
INSERT INTO subscription(pk_subscription,pk_show,pk_alloc,int_size,int_burst) SELECT md5(pk_show||pk_alloc)::uuid::text,pk_show,pk_alloc,1000000,100000000 FROM show,alloc;
INSERT INTO folder(pk_folder,pk_show,pk_dept,str_name) SELECT md5('f'||g||s)::uuid::text, md5('s'||s)::uuid::text, md5('d1'),'f'||g FROM generate_series(1,10) g, generate_series(1,10) s;
INSERT INTO folder_resource(pk_folder_resource,pk_folder) SELECT pk_folder,pk_folder FROM folder;
INSERT INTO point(pk_point,pk_dept,pk_show) SELECT md5(pk_dept||pk_show)::uuid::text,pk_dept,pk_show FROM dept,show;
INSERT INTO job(pk_job,pk_folder,pk_show,pk_facility,pk_dept,str_name,str_visible_name,str_shot,str_user,str_state,str_log_dir,str_show)
 SELECT md5('j'||g)::uuid::text, md5('f'||(1+g%10)||(1+g/10%10))::uuid::text, md5('s'||(1+g/10%10))::uuid::text,'fac',md5('d'||(1+g%6)),'j'||g,'j'||g,'x','u',CASE WHEN g<=500 THEN 'PENDING' ELSE 'FINISHED' END,'/l','s' FROM generate_series(1,10500) g;
INSERT INTO job_resource(pk_job_resource,pk_job,int_max_cores) SELECT pk_job,pk_job,100000000 FROM job;
INSERT INTO layer(pk_layer,pk_job,str_name,str_cmd,str_range,int_chunk_size,int_cores_min,int_mem_min,str_tags,str_type)
 SELECT md5('l'||n||j.pk_job)::uuid::text,j.pk_job,'l'||n,'c','1-10',1,100,1048576,'t1','RENDER' FROM job j, generate_series(1,4) n;
INSERT INTO layer_resource(pk_layer_resource,pk_layer,pk_job) SELECT pk_layer,pk_layer,pk_job FROM layer;
INSERT INTO host(pk_host,pk_alloc,str_name,str_lock_state,int_cores,int_cores_idle,int_mem,int_mem_idle,str_tags)
 SELECT md5('h'||g)::uuid::text, md5('a'||(1+g%4))::uuid::text,'h'||g,'OPEN',6400,0,268435456,0,'t1' FROM generate_series(1,5000) g;
CREATE TEMP TABLE ll AS SELECT row_number() over () -1 n, l.pk_layer,l.pk_job,j.pk_show FROM layer l JOIN job j USING(pk_job) WHERE j.str_state='PENDING';
INSERT INTO frame(pk_frame,pk_layer,pk_job,str_name,int_number,str_state,int_dispatch_order,int_layer_order)
 SELECT md5('f'||g)::uuid::text, ll.pk_layer, ll.pk_job,'f'||g,g,'RUNNING',1,1 FROM generate_series(1,40000) g JOIN ll ON ll.n=g%2000;
INSERT INTO proc(pk_proc,pk_frame,pk_host,pk_job,pk_show,pk_layer,int_cores_reserved,int_mem_reserved)
 SELECT gen_random_uuid()::text, md5('f'||g)::uuid::text, md5('h'||(1+(g*7919)%5000))::uuid::text, ll.pk_job,ll.pk_show,ll.pk_layer,100*(1+g%8),1048576 FROM generate_series(1,40000) g JOIN ll ON ll.n=g%2000;
UPDATE subscription s SET int_cores=w.c FROM (SELECT p.pk_show,h.pk_alloc,sum(int_cores_reserved) c FROM proc p JOIN host h USING(pk_host) GROUP BY 1,2) w WHERE w.pk_show=s.pk_show AND w.pk_alloc=s.pk_alloc;
UPDATE layer_resource s SET int_cores=w.c FROM (SELECT pk_layer,sum(int_cores_reserved) c FROM proc GROUP BY 1) w WHERE w.pk_layer=s.pk_layer;
UPDATE job_resource s SET int_cores=w.c FROM (SELECT pk_job,sum(int_cores_reserved) c FROM proc GROUP BY 1) w WHERE w.pk_job=s.pk_job;
UPDATE folder_resource s SET int_cores=w.c FROM (SELECT pk_folder,sum(int_cores_reserved) c FROM proc JOIN job USING(pk_job) GROUP BY 1) w WHERE w.pk_folder=s.pk_folder;
UPDATE point s SET int_cores=w.c FROM (SELECT j.pk_dept,j.pk_show,sum(int_cores_reserved) c FROM proc p JOIN job j USING(pk_job) GROUP BY 1,2) w WHERE w.pk_dept=s.pk_dept AND w.pk_show=s.pk_show;
ANALYZE;
SET session_replication_role = DEFAULT;
