// A provider that the test has made itself, and gives in the settings: for adapters that need a far side of another kind.
export default {
  type: 'given',
  create: (name, { options }, parts) => options.create(name, parts),
};
