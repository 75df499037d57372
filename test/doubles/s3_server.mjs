/* s3_server.mjs - one bucket on a server that speaks S3: ListObjectsV2, GetObject, signatures that are checked.
 *
 * A signature is made again of the bytes that came, by what AWS has published of Signature Version 4, and must be the
 * same. `wrong` is what the next answers are instead: {status, body, headers}, or a function of the request that gives
 * one (or nothing).
 */
import crypto from 'node:crypto';
import { Listener, gone } from './listener.mjs';

const sha256 = (data) => crypto.createHash('sha256').update(data).digest('hex');
const hmac = (key, data) => crypto.createHmac('sha256', key).update(data).digest();
const bytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
const xml = (text) =>
  String(text).replace(
    /[&<>"']/g,
    (c) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': 'quot', "'": 'apos' }[c]};`,
  );
/* As S3 writes keys: a space is a plus. */
const encoded = (key) => encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/');

export class S3Server extends Listener {
  constructor({
    bucket = 'inbox',
    region = 'eu-test-1',
    accessKey = 'AKIATEST',
    secretKey = 's3cr3t/+key',
  } = {}) {
    super();
    Object.assign(this, { bucket, region, accessKey, secretKey });
    this.objects = new Map(); /* key -> {data, etag, modified} */
    this.page = 1000;
    this.skew = 0; /* ms: its clock against ours */
  }

  /* For the settings of a trigger. */
  get settings() {
    const { bucket, region } = this;
    return { endpoint: this.origin, region, bucket, access_key: this.accessKey, secret_key: this.secretKey };
  }

  put(key, data = key, modified = new Date()) {
    const content = Buffer.from(data);
    const etag = `"${crypto.createHash('md5').update(content).digest('hex')}"`;
    this.objects.set(key, { data: content, etag, modified });
    this.sorted = undefined;
  }

  delete(key) {
    this.objects.delete(key);
    this.sorted = undefined;
  }

  lists() {
    return this.seen((r) => r.url.searchParams.has('list-type'));
  }

  #sorted() {
    this.sorted ??= [...this.objects.keys()].sort(bytes);
    return this.sorted;
  }

  async answer(entry, req, res) {
    const planned = typeof this.wrong === 'function' ? this.wrong(entry) : this.wrong;
    if (planned?.hang) return gone(res);
    if (planned) return this.#send(res, planned.status ?? 200, planned.body ?? '', planned.headers);
    const refused = this.#refused(req);
    if (refused) return this.#fail(res, ...refused);
    const path = decodeURIComponent(entry.path);
    if (path !== `/${this.bucket}` && !path.startsWith(`/${this.bucket}/`))
      return this.#fail(res, 404, 'NoSuchBucket');
    const key = path.slice(this.bucket.length + 2);
    if (key) return this.#get(entry, res, key);
    return this.#list(entry.url.searchParams, res);
  }

  #send(res, status, body, headers = {}) {
    res.writeHead(status, {
      'content-type': 'application/xml',
      'content-length': Buffer.byteLength(body),
      ...headers,
    });
    res.end(body);
  }

  #fail(res, status, code) {
    const date = new Date(Date.now() + this.skew).toUTCString();
    const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>No.</Message></Error>`;
    this.#send(res, status, text, { date });
  }

  #refused(req) {
    const match = (req.headers.authorization ?? '').match(
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/,
    );
    if (!match) return [403, 'AccessDenied'];
    const [, accessKey, date, region, names, signature] = match;
    const time = req.headers['x-amz-date'] ?? '';
    const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));
    if (accessKey !== this.accessKey) return [403, 'InvalidAccessKeyId'];
    if (region !== this.region) return [400, 'AuthorizationHeaderMalformed'];
    if (!(Math.abs(at - Date.now() - this.skew) <= 15 * 60_000)) return [403, 'RequestTimeTooSkewed'];
    const signed = names.split(';');
    const needed = ['host', 'x-amz-content-sha256', 'x-amz-date', 'if-match', 'x-amz-security-token'];
    if (!needed.every((name) => signed.includes(name) || !(name in req.headers)))
      return [403, 'AccessDenied'];
    const [path, query = ''] = req.url.split('?');
    const canonical = [
      req.method,
      path,
      query.split('&').sort(bytes).join('&'),
      ...signed.map((name) => `${name}:${req.headers[name].trim()}`),
      '',
      names,
      sha256(''),
    ].join('\n');
    if (req.headers['x-amz-content-sha256'] !== sha256('')) return [400, 'XAmzContentSHA256Mismatch'];
    const scope = `${date}/${region}/s3/aws4_request`;
    const text = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
    const key = [date, region, 's3', 'aws4_request'].reduce(hmac, `AWS4${this.secretKey}`);
    return hmac(key, text).toString('hex') === signature ? null : [403, 'SignatureDoesNotMatch'];
  }

  #get(entry, res, key) {
    const object = this.objects.get(key);
    if (!object) return this.#fail(res, 404, 'NoSuchKey');
    if (entry.headers['if-match'] && entry.headers['if-match'] !== object.etag)
      return this.#fail(res, 412, 'PreconditionFailed');
    if (object.closed) return this.#fail(res, 403, 'AccessDenied');
    res.writeHead(200, { 'content-length': object.data.length, etag: object.etag });
    res.end(object.data);
  }

  #list(query, res) {
    const token = query.get('continuation-token');
    const after = token ? Buffer.from(token, 'base64').toString() : (query.get('start-after') ?? '');
    const prefix = query.get('prefix') ?? '';
    const max = Math.min(this.page, Number(query.get('max-keys') ?? 1000));
    const url = query.get('encoding-type') === 'url';
    const all = this.#sorted();
    let from = 0;
    for (let to = all.length; from < to;) {
      const middle = (from + to) >> 1;
      if (bytes(all[middle], after) <= 0) from = middle + 1;
      else to = middle;
    }
    const keys = [];
    for (; from < all.length && keys.length <= max; from++)
      if (all[from].startsWith(prefix)) keys.push(all[from]);
    const more = keys.length > max;
    if (more) keys.pop();
    const contents = keys.map((key) => {
      const { data, etag, modified } = this.objects.get(key);
      return (
        `<Contents><Key>${url ? encoded(key) : xml(key)}</Key><LastModified>${modified.toISOString()}</LastModified>` +
        `<ETag>${xml(etag)}</ETag><Size>${data.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`
      );
    });
    const next = more && Buffer.from(keys.at(-1)).toString('base64');
    this.#send(
      res,
      200,
      '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
        `<Name>${this.bucket}</Name><Prefix>${xml(prefix)}</Prefix><KeyCount>${keys.length}</KeyCount>` +
        `<MaxKeys>${max}</MaxKeys>${url ? '<EncodingType>url</EncodingType>' : ''}<IsTruncated>${more}</IsTruncated>` +
        `${contents.join('')}${more ? `<NextContinuationToken>${next}</NextContinuationToken>` : ''}</ListBucketResult>`,
    );
  }
}

export const startS3Server = (options) => new S3Server(options).start();
