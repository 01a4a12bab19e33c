-- known_facilities: the names a facility setting may have.
SELECT str_name FROM facility ORDER BY str_name
