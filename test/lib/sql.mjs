/* sql.mjs - looks into a server's database from outside, and changes it as a bad disk would. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { psql } from './postgres.mjs';

const run = promisify(execFile);
const code = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=30)
rows = db.execute(sys.argv[2]).fetchall()
db.commit()
print("\\n".join("|".join(str(v) for v in row) for row in rows))
`;

/* The rows of one statement as text, columns with "|" between them. Both databases must understand it. */
export async function sql(server, statement) {
  if (server.databaseUrl) return psql(server.databaseUrl, statement);
  const { stdout } = await run('python3', ['-c', code, path.join(server.data, 'heddle.db'), statement]);
  return stdout.trim();
}

/* Rows of large values that no run needs, and needs that have no row. */
export async function payloadFaults(server) {
  const unused = await sql(
    server,
    'SELECT COUNT(*) FROM payload p WHERE NOT EXISTS (SELECT 1 FROM run_payload r WHERE r.tenant_id = p.tenant_id AND r.hash = p.hash)',
  );
  const dangling = await sql(
    server,
    'SELECT COUNT(*) FROM run_payload r WHERE NOT EXISTS (SELECT 1 FROM payload p WHERE r.tenant_id = p.tenant_id AND r.hash = p.hash)' +
      ' OR NOT EXISTS (SELECT 1 FROM run WHERE run.id = r.run_id)',
  );
  return { unused: Number(unused), dangling: Number(dangling) };
}
