-- Deletes a host; a trigger takes its statistics, tags and deed along.
DELETE FROM host WHERE pk_host = $1
