// Imported before all else. Unless this is set when they load, graphql-js and others run their own checks at every
// step, which costs a tenth of a bulk request.
process.env['NODE_ENV'] ??= 'production';
