/** An identity policy as a bucket's policy that denies all the rest: the embedded endpoint carries out what denies. */

interface Allowed {
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
}

const listOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

/** Of the statements about S3; their conditions are left out, which grants more than they do. */
export function grantedOnly(identityPolicy: string, bucket: string): object {
  const { Statement } = JSON.parse(identityPolicy) as { readonly Statement: readonly Allowed[] };
  const resources = new Map<string, string[]>();
  for (const { Action, Resource } of Statement)
    for (const action of Action.filter((name) => name.startsWith('s3:')))
      resources.set(action, [...(resources.get(action) ?? []), ...listOf(Resource)]);
  const own = `arn:aws:s3:::${bucket}`;
  const deny = { Effect: 'Deny', Principal: '*' } as const;
  return {
    Version: '2012-10-17',
    Statement: [
      { ...deny, NotAction: [...resources.keys()], Resource: [own, `${own}/*`] },
      ...[...resources].map(([Action, NotResource]) => ({ ...deny, Action, NotResource })),
    ],
  };
}
