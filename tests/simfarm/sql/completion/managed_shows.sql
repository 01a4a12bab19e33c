-- Which of these shows a scheduler keeps the accounts of.
SELECT pk_show FROM show WHERE pk_show = ANY ($1::text[]) AND b_scheduler_managed
