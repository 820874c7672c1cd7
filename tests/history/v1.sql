-- history.sqlite as version 1 of its tables left it, with one video. Never changed: a test migrates it.
PRAGMA application_id = 1466003044;
PRAGMA user_version = 1;
CREATE TABLE tasks (
    id TEXT PRIMARY KEY NOT NULL,
    job INTEGER NOT NULL,
    status TEXT NOT NULL,
    created INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER NOT NULL,
    prompt TEXT NOT NULL,
    mode TEXT,
    model TEXT NOT NULL,
    model_fingerprint TEXT,
    request TEXT NOT NULL,
    output TEXT,
    category TEXT,
    error TEXT,
    generation_time_s REAL,
    stages TEXT NOT NULL,
    steps TEXT NOT NULL,
    peak_rss_mb REAL,
    peak_vram_mb REAL,
    provider TEXT,
    precision TEXT,
    retries INTEGER NOT NULL,
    story TEXT NOT NULL,
    optimizations TEXT NOT NULL,
    warnings TEXT NOT NULL
) STRICT;
CREATE INDEX tasks_ended ON tasks (ended, status, category, retries);
CREATE INDEX tasks_like ON tasks (model_fingerprint, mode, provider, precision, ended) WHERE status = 'done';
CREATE INDEX tasks_output ON tasks (output) WHERE output IS NOT NULL;
INSERT INTO tasks VALUES (
    '68f0-1', 1, 'done', 1763640300, 1763640300, 1763640302, 'a red circle', 't2v', 'toy-t2v-A14B', 'f1',
    '{"prompt":"a red circle","negative_prompt":"","model":"toy-t2v-A14B","mode":"t2v","seed":7,"steps":2,"guidance":1.5,"guidance_low":null,"shift":3.0,"sampler":"unipc","size":{"width":64,"height":64},"frames":17,"fps":8,"provider":"auto","precision":"auto"}',
    '/videos/7.mp4', NULL, NULL, 1.25, '[{"name":"denoise_high","seconds":1.0}]', '[0.5,0.5]', 300.5, NULL, 'cpu', 'fp32',
    0, '[]', '[]', '[]'
);
