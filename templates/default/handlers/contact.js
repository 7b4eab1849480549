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
  const { name = 'nobody', photo } = await req.form();
  // photo.path is the file on disk, until the response is sent
  return { hello: name, photo: photo && { name: photo.originalName, size: photo.size } };
};
