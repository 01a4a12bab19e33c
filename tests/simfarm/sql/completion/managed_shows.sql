-- The shows among these whose accounts a scheduler keeps.
SELECT pk_show FROM show WHERE pk_show = ANY ($1::text[]) AND b_scheduler_managed
