-- restore_checkpoints: gives frames whose booking was undone the checkpoint state they had before. A statement of
-- its own: the trigger that parks frames looks only at the step from RUNNING to WAITING.
-- $1 frames, each locked, $2 their checkpoint states, of one length.
UPDATE frame f SET str_checkpoint_state = w.str_checkpoint_state
FROM unnest($1::text[], $2::text[]) AS w(pk_frame, str_checkpoint_state)
WHERE f.pk_frame = w.pk_frame AND f.pk_frame = ANY($1::text[]) AND f.str_state || '' = 'WAITING'
