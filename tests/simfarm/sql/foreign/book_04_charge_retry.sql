-- Charges a retry, unless the last run did not end by its own fault or there was none.
UPDATE frame
SET int_retries = int_retries + 1
WHERE pk_frame = $1 AND int_exit_status NOT IN (-1, 286, 256, 299, 301, 302, 399)
