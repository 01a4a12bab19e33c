-- session_mark: what this session has set, or another one if a pooler gave us that.
SELECT nullif(current_setting('cue_scheduler.session', true), '')
