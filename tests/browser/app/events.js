// Two events, then the connection ends: a client comes again and says what it got last.
module.exports = async (req) => {
  const events = req.sse();
  const last = Number(events.lastEventId ?? 0);
  await events.send({ retry: 10 });
  for (const id of [last + 1, last + 2]) await events.send({ id, event: 'tick', data: { id, after: events.lastEventId } });
  events.close();
};
