import type { NameKey } from '../model/brands.ts';
import type {
  JournaledPart,
  PartAnswer,
  UploadJournal,
  UploadJournals,
  UploadSubject,
} from '../model/ports.ts';
import type { Sql } from './sql.ts';

type SubjectJournal = UploadJournal & { readonly subject: UploadSubject };

/** Journals of unfinished multipart uploads. Every write is durable when it returns (`synchronous = FULL`). */
export function openJournals(sql: Sql): UploadJournals {
  const statements = {
    find: sql.prepare('SELECT upload_id, subject FROM uploads WHERE key = ?'),
    all: sql.prepare('SELECT key, upload_id, subject FROM uploads ORDER BY key'),
    create: sql.prepare('INSERT OR REPLACE INTO uploads (key, upload_id, subject) VALUES (?, NULL, ?)'),
    begun: sql.prepare('UPDATE uploads SET upload_id = ? WHERE key = ?'),
    remove: sql.prepare('DELETE FROM uploads WHERE key = ?'),
    part: sql.prepare('SELECT digest, answer FROM parts WHERE key = ? AND number = ?'),
    sending: sql.prepare('INSERT OR IGNORE INTO parts (key, number, digest) VALUES (?, ?, ?)'),
    sent: sql.prepare('UPDATE parts SET answer = ? WHERE key = ? AND number = ?'),
    removeParts: sql.prepare('DELETE FROM parts WHERE key = ?'),
  };
  // Nearly always none: asked for every small file, so it costs no statement.
  const known = new Set<string>(statements.all.all().map(({ key }) => String(key)));
  const remove = (key: NameKey): void => {
    if (!known.has(key)) return;
    sql.transaction(() => {
      statements.removeParts.run(key);
      statements.remove.run(key);
    });
    known.delete(key);
  };
  const journalOf = (key: NameKey, known: string | undefined, subject: UploadSubject): SubjectJournal => {
    let uploadId = known;
    return {
      subject,
      get uploadId() {
        return uploadId;
      },
      part: (number) => toPart(statements.part.get(key, number)),
      begun: (id) => {
        statements.begun.run(id, key);
        uploadId = id;
      },
      sending: (number, digest) => statements.sending.run(key, number, digest),
      sent: (number, answer) => statements.sent.run(JSON.stringify(answer), key, number),
      ended: () => remove(key),
    };
  };
  return {
    find: (key) => {
      if (!known.has(key)) return undefined;
      const row = statements.find.get(key);
      if (row === undefined) return undefined;
      const { upload_id, subject } = row;
      const uploadId = typeof upload_id === 'string' ? upload_id : undefined;
      return journalOf(key, uploadId, JSON.parse(String(subject)) as UploadSubject);
    },
    create: (subject) => {
      remove(subject.key);
      known.add(subject.key);
      statements.create.run(subject.key, JSON.stringify(subject));
      return journalOf(subject.key, undefined, subject);
    },
    all: () =>
      statements.all.all().map(({ key, upload_id, subject }) => ({
        key: String(key) as NameKey,
        path: (JSON.parse(String(subject)) as UploadSubject).path,
        uploadId: typeof upload_id === 'string' ? upload_id : undefined,
      })),
    remove,
  };
}

function toPart(row: { readonly [column: string]: unknown } | undefined): JournaledPart | undefined {
  if (row === undefined) return undefined;
  const { digest, answer } = row;
  if (typeof answer !== 'string') return { digest: String(digest) };
  return { digest: String(digest), answer: JSON.parse(answer) as PartAnswer };
}
