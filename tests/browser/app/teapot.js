module.exports = () => {
  throw Object.assign(new Error('short and stout'), { status: 418 });
};
