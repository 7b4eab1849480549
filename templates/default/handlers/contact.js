const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>Contact</title>
<form method="post" enctype="multipart/form-data">
  <input name="name" placeholder="Name" required>
  <input name="photo" type="file">
  <button>Send</button>
</form>
`;

/** @type {import('actix-js').Handler} */
exports.page = (req) => {
  req.addHeader('content-type', 'text/html; charset=utf-8');
  return PAGE;
};

/** @type {import('actix-js').Handler} */
exports.submit = async (req) => {
  const { name, photo } = await req.form();
  if (typeof photo !== 'object' || Array.isArray(photo)) {
    throw Object.assign(new Error('photo must be one file'), { status: 422 });
  }
  // photo.path is the file on disk, until the response is sent
  return { hello: name, photo: { name: photo.originalName, size: photo.size } };
};
