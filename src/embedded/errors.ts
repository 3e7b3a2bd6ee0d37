/** An answer that is an error, with S3's status, code and text. Thrown anywhere, written as XML (or JSON for KMS). */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly status: number;
  readonly code: string;
  /** Further elements of the XML, such as `Condition` or `Region`. */
  readonly extra: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: string,
    message: string,
    extra: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.code = code;
    this.extra = extra;
    this.headers = headers;
  }
}

export const invalidArgument = (message: string, extra: Record<string, string> = {}): S3Error =>
  new S3Error(400, 'InvalidArgument', message, extra);

export const invalidRequest = (message: string): S3Error => new S3Error(400, 'InvalidRequest', message);

export const accessDenied = (message = 'Access Denied'): S3Error => new S3Error(403, 'AccessDenied', message);

export const notImplemented = (header: string): S3Error =>
  new S3Error(501, 'NotImplemented', 'A header you provided implies functionality that is not implemented', {
    Header: header,
  });

export const malformedXml = (): S3Error =>
  new S3Error(
    400,
    'MalformedXML',
    'The XML you provided was not well-formed or did not validate against our published schema',
  );

export const noSuchKey = (key: string): S3Error =>
  new S3Error(404, 'NoSuchKey', 'The specified key does not exist.', { Key: key });

export const noSuchUpload = (uploadId: string): S3Error =>
  new S3Error(
    404,
    'NoSuchUpload',
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    { UploadId: uploadId },
  );

export const preconditionFailed = (condition: string): S3Error =>
  new S3Error(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });

/** The two forms of throttling; a client tells them apart by the text alone. */
export const SLOW_DOWN = 'Please reduce your request rate.';
export const SLOW_DOWN_KMS = 'Please reduce your request rate for operations involving AWS KMS.';

export const slowDown = (kms: boolean): S3Error =>
  new S3Error(503, 'SlowDown', kms ? SLOW_DOWN_KMS : SLOW_DOWN);
