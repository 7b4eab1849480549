const express = require('express');

const app = express();
app.disable('x-powered-by');
app.use(express.json({ limit: '64kb' }));
app.use(express.urlencoded({ extended: false }));

app.get('/', (req, res) => res.type('text').send('Hello from {{name}}!\n'));

const users = new Map([['1', { id: '1', name: 'Ada' }]]);

app.get('/users/:id', (req, res) => {
  const user = users.get(req.params.id);
  if (user === undefined) return res.status(404).json({ error: 'no such user' });
  return res.json(user);
});

app.put('/users/:id', (req, res) => {
  const { name } = req.body ?? {};
  if (typeof name !== 'string') return res.status(422).json({ error: 'name must be a string' });
  const user = { id: req.params.id, name };
  users.set(user.id, user);
  return res.status(201).json(user);
});

app.use((err, req, res, next) => {
  if (res.headersSent) return next(err);
  const status = err.status ?? 500;
  if (status >= 500) console.error(err);
  return res.status(status).json({ error: status < 500 ? err.message : 'Internal Server Error' });
});

module.exports = app;
