-- The next frames of a layer, in the order in which they are dispatched.

create index if not exists i_frame_layer_dispatch_waiting on frame (pk_layer, int_dispatch_order, int_layer_order)
where str_state = 'WAITING';
