'use strict';

/** What became of each update of a call, and of the call as a whole. */

const { Unsettled } = require('./calls');

/** Tell a result from an error, and from nothing. */
const isResult = (outcome) => outcome !== undefined && !(outcome instanceof Error);

/** Keep in mind whether an update may have been applied, by this or an earlier call. */
function note(results, update, error) {
  const earlier = results.get(update);
  const maybeApplied =
    error.maybeApplied || error.code === 'TIMEOUT' || Boolean(earlier?.maybeApplied);
  const code = maybeApplied ? 'TIMEOUT' : error.code;
  results.set(update, new Unsettled(code, error.message, { maybeApplied }));
}

/** Sum the results of a batch up in one. */
function summed(results) {
  const succeeded = results.filter((each) => each.success).length;
  if (!succeeded && results.every((each) => each.fallback)) {
    // None was applied: the call failed as a whole, which callers may know.
    const { success, code, error, fallback } = results[0];
    return { success, code, error, fallback, results };
  }
  const codes = new Set(results.map((each) => each.code));
  const some = succeeded ? 'PARTIALLY_UPDATED' : 'NOT_UPDATED';
  return {
    success: true,
    code: codes.size === 1 && succeeded ? [...codes][0] : some,
    fallback: results.some((each) => each.fallback === true),
    total: results.length,
    succeeded,
    failed: results.length - succeeded,
    results,
  };
}

module.exports = { isResult, note, summed };
