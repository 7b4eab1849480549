module.exports = async (req) => {
  let bytes = 0;
  for await (const piece of req.body) bytes += piece.length;
  return { bytes };
};
