/**
 * Loads what draws as it is built for use: React decides by `NODE_ENV` while it is loaded, and its other build takes
 * three times the processor's time. What the variable was is put back, so that commands the user names don't see it.
 */
export async function asBuilt<T>(load: () => Promise<T>): Promise<T> {
  const { env } = process;
  if (env['NODE_ENV'] !== undefined) return load();
  env['NODE_ENV'] = 'production';
  try {
    return await load();
  } finally {
    delete env['NODE_ENV'];
  }
}
