// What the page has found, for the test that waits for it.
module.exports = async (req) => {
  console.log(`result ${JSON.stringify(await req.json())}`);
  return null;
};
