'use strict';

/** What goes out: an update with its key, as JSON that is sent again byte for byte. */

const { randomUUID } = require('node:crypto');

const { Unsettled, isObject } = require('./calls');

const UPDATE_PATH = '/api/workorder/update-quantity';
const BATCH_PATH = '/api/workorder/batch-update-quantity';
/** Refusals of a whole call for what is in it, where each update alone may be fine. */
const OF_THE_CALL = new Set(['INVALID_JSON', 'INVALID_UPDATES', 'BODY_TOO_LARGE']);
/** Of one call; half of what the service takes by default. */
const MAX_BYTES = 512 * 1024;

const TEXTS = {
  QUEUED_FALLBACK: [
    '工单处理服务暂不可用，已存入本地待发队列',
    "The service can't be reached; the update is kept and will be sent",
  ],
  SERVICE_UNAVAILABLE: ['工单处理服务不可用', "The work order service can't be reached"],
  TIMEOUT: [
    '工单处理服务未按时答复，结果未知；请用同一个键重发',
    'The service did not answer in time; send it again with the same key',
  ],
  OUTBOX_FULL: ['本地待发队列已满', 'The outbox is full'],
  OUTBOX_FAILED: ['本地待发队列无法写入', "The outbox can't be used"],
  REQUEST_ID_CONFLICT: ['该键已用于另一内容', 'The key was used for another content'],
  MISSING_WORK_ORDER_ID: ['缺少工单ID', 'workOrderId is missing'],
  INVALID_WORK_ORDER_ID: ['工单ID必须是 24 位十六进制', 'workOrderId must be 24 hex digits'],
  INVALID_TYPE: ['变更类型必须是 input 或 output', 'type must be input or output'],
  INVALID_QUANTITY: ['数量必须是有限的数字', 'quantity must be a finite number'],
  INVALID_LOG_CONTEXT: ['logContext 不能写成 JSON', 'logContext is not what JSON can hold'],
  INVALID_REQUEST_ID: [
    'requestId 必须是 1 至 200 个可见字符',
    'requestId must be 1 to 200 printable characters',
  ],
  MISSING_PARAMS: [
    '缺少参数：每条更新必须包含 workOrderId 和 type',
    'Every update needs workOrderId and type',
  ],
  INVALID_UPDATES: ['updates 必须是非空数组', 'updates must be a list with an update'],
};

/** Give the client's own words for a code. */
const textOf = (code, language) => (TEXTS[code] ?? [code, code])[language === 'en' ? 1 : 0];

/** An update that no service would take; nothing is sent. */
class Invalid extends Error {
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** Check a change and give it a key; throws `Invalid`. Ids may be objects whose text is the id. */
function makeUpdate(workOrderId, type, quantity = 1, logContext, requestId) {
  const id = workOrderId === undefined || workOrderId === null ? '' : String(workOrderId);
  if (id === '') throw new Invalid('MISSING_WORK_ORDER_ID');
  if (!/^[0-9a-fA-F]{24}$/.test(id)) throw new Invalid('INVALID_WORK_ORDER_ID');
  if (type !== 'input' && type !== 'output') throw new Invalid('INVALID_TYPE');
  if (typeof quantity !== 'number' || !(Math.abs(quantity) <= Number.MAX_SAFE_INTEGER)) {
    throw new Invalid('INVALID_QUANTITY');
  }
  const given = requestId !== undefined && requestId !== null;
  if (given && !isKey(requestId)) throw new Invalid('INVALID_REQUEST_ID');
  const order = id.toLowerCase();
  const key = given ? requestId : randomUUID();
  const item = { workOrderId: order, type, quantity, requestId: key };
  if (logContext !== undefined && logContext !== null) item.logContext = logContext;
  return { order, key, type, quantity, text: encoded(item) };
}

/** Check one item of a batch; throws `Invalid`. */
function makeItem(item) {
  if (!isObject(item) || !item.workOrderId || !item.type) throw new Invalid('MISSING_PARAMS');
  return makeUpdate(item.workOrderId, item.type, item.quantity, item.logContext, item.requestId);
}

function isKey(value) {
  return typeof value === 'string' && /^[^\p{C}\p{Zl}\p{Zp}]{1,200}$/u.test(value);
}

function encoded(item) {
  try {
    return JSON.stringify(item, (_name, value) => asJson(value));
  } catch {
    throw new Invalid('INVALID_LOG_CONTEXT');
  }
}

/** Give what JSON and UTF-8 can hold: half of a surrogate pair becomes U+FFFD, a bigint text. */
function asJson(value) {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'string' ? value.replace(/\p{Surrogate}/gu, '\ufffd') : value;
}

const updateRequest = ({ text }) => ({ method: 'POST', path: UPDATE_PATH, body: text });

const batchRequest = (updates) => ({
  method: 'POST',
  path: BATCH_PATH,
  body: `{"updates":[${updates.map((each) => each.text).join(',')}]}`,
});

/** Give the items' results; throws `Unsettled` where there are not as many as were sent. */
function resultsOf(reply, count) {
  const { results } = reply.data;
  if (!Array.isArray(results) || results.length !== count) {
    throw new Unsettled('TIMEOUT', 'an answer without the results', { maybeApplied: true });
  }
  return results.map((each) => (isObject(each) ? each : {}));
}

/** Tell whether an item may be sent again: not applied yet, or nobody knows. */
function isUnsettled(result) {
  if (result.success === true) return false;
  return result.retryable === true || result.code === 'TIMEOUT' || result.code === undefined;
}

/** Take from the front what one call may carry. */
function head(updates, count) {
  let size = 0;
  for (let number = 0; number < Math.min(updates.length, count); number += 1) {
    size += Buffer.byteLength(updates[number].text) + 1;
    if (number > 0 && size > MAX_BYTES) return updates.slice(0, number);
  }
  return updates.slice(0, count);
}

module.exports = {
  Invalid,
  OF_THE_CALL,
  batchRequest,
  head,
  isUnsettled,
  makeItem,
  makeUpdate,
  resultsOf,
  textOf,
  updateRequest,
};
