const TITLE_MAX = 200;

/** An error with a status is that answer, whether it is thrown or returned. */
const failure = (status, message) => Object.assign(new Error(message), { status });

/** What a client sent, as a note; throws what answers 422. */
function noteOf(body) {
  const { title, text = '' } = body ?? {};
  if (typeof title !== 'string' || title.trim() === '' || title.length > TITLE_MAX) {
    throw failure(422, `title must be a text of 1 to ${TITLE_MAX} characters`);
  }
  if (typeof text !== 'string') throw failure(422, 'text must be a text');
  return { title: title.trim(), text };
}

module.exports = { noteOf, failure };
