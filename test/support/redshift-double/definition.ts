/** The remaining definition statements: schemas, views, DROP, GRANT, COMMENT, and the ones Redshift lacks. */
import { backing } from './identifier.js';
import { passed, type Plan } from './plan.js';
import { query } from './query.js';
import { SqlError, syntaxError, unsupported, unverified } from './sql-error.js';
import type { Tape } from './tape.js';

/** CREATE of anything but a table. */
export function createOther(tape: Tape): Plan {
  const absent = [
    'index',
    'trigger',
    'sequence',
    'extension',
    'rule',
    'domain',
    'type',
    'aggregate',
    'operator',
    'tablespace',
  ];
  const kind = tape.peek(1);
  const word = kind.kind === 'word' ? kind.word : '';
  if (word === 'unique' || absent.includes(word)) {
    const name = word === 'unique' ? 'INDEX' : word.toUpperCase();
    throw unsupported(`SQL command "CREATE ${name}" not supported on Redshift tables.`);
  }
  if (word === 'database') {
    return {
      verb: 'create database',
      writes: false,
      run: (executor) => refuseInBlock(executor.status(), 'CREATE DATABASE'),
    };
  }
  if (tape.accept('create', 'schema')) {
    const unless = tape.accept('if', 'not', 'exists') ? 'IF NOT EXISTS ' : '';
    const name = tape.name();
    if (/^(pg_|redshift_double)/.test(name)) throw new SqlError('42939', `unacceptable schema name "${name}"`);
    tape.finish();
    return passed('create schema', `CREATE SCHEMA ${unless}${backing(name)}`);
  }
  if (tape.sees('create', 'view') || tape.sees('create', 'or', 'replace', 'view')) return createView(tape);
  throw unverified(`CREATE ${word.toUpperCase()} is not modelled by the double`);
}

function createView(tape: Tape): Plan {
  tape.expect('create');
  const replace = tape.accept('or', 'replace') ? 'OR REPLACE ' : '';
  tape.expect('view');
  const name = tape.writeTable();
  const columns = tape.sees('(') ? `(${tape.columns().map(backing).join(', ')}) ` : '';
  tape.expect('as');
  const start = tape.mark();
  query(tape);
  const select = tape.cut(start);
  if (tape.sees('with')) throw unverified('WITH NO SCHEMA BINDING is not modelled by the double');
  tape.finish();
  return passed('create view', `CREATE ${replace}VIEW ${name.sql} ${columns}AS ${select}`);
}

function refuseInBlock(status: string, what: string): never {
  if (status !== 'I') throw new SqlError('25001', `${what} cannot run inside a transaction block`);
  throw unverified(`${what} is not modelled by the double`);
}

export function drop(tape: Tape): Plan {
  tape.expect('drop');
  const kind = tape.take();
  const word = kind.kind === 'word' ? kind.word : '';
  if (word !== 'table' && word !== 'view' && word !== 'schema')
    throw unverified(`DROP ${word.toUpperCase()} is not modelled by the double`);
  const unless = tape.accept('if', 'exists') ? 'IF EXISTS ' : '';
  const names: string[] = [];
  do {
    if (word === 'schema') {
      const name = tape.name();
      if (/^(pg_|redshift_double|information_schema)/.test(name))
        throw new SqlError('42501', `permission denied for schema ${name}`);
      names.push(backing(name));
    } else names.push(tape.writeTable().sql);
  } while (tape.accept(','));
  const tail = tape.accept('cascade') ? ' CASCADE' : '';
  if (tail === '') tape.accept('restrict');
  tape.finish();
  return passed(`drop ${word}`, `DROP ${word.toUpperCase()} ${unless}${names.join(', ')}${tail}`);
}

const PRIVILEGES = [
  'select',
  'insert',
  'update',
  'delete',
  'references',
  'usage',
  'create',
  'all',
  'truncate',
  'alter',
  'drop',
];

/** GRANT and REVOKE of table and schema privileges; roles and groups of Redshift are not modelled. */
export function grant(tape: Tape): Plan {
  const verb = tape.accept('grant') ? 'GRANT' : 'REVOKE';
  if (verb === 'REVOKE') tape.expect('revoke');
  const privileges: string[] = [];
  do {
    const word = PRIVILEGES.find((name) => tape.accept(name));
    if (word === undefined) throw syntaxError(tape.peek().text);
    if (word === 'alter' || word === 'drop' || word === 'truncate')
      throw unverified(`the ${word.toUpperCase()} privilege`);
    if (word === 'all') tape.accept('privileges');
    privileges.push(word);
  } while (tape.accept(','));
  tape.expect('on');
  const object = tape.accept('schema') ? `SCHEMA ${backing(tape.name())}` : tableObject(tape);
  tape.expect(verb === 'GRANT' ? 'to' : 'from');
  if (tape.seesAny('group', 'role')) throw unverified('privileges of groups and roles');
  const who = tape.accept('public') ? 'PUBLIC' : backing(tape.name());
  tape.finish();
  return passed(
    verb.toLowerCase(),
    `${verb} ${privileges.join(', ')} ON ${object} ${verb === 'GRANT' ? 'TO' : 'FROM'} ${who}`,
  );
}

function tableObject(tape: Tape): string {
  tape.accept('table');
  return tape.writeTable().sql;
}

export function comment(tape: Tape): Plan {
  tape.expect('comment', 'on');
  let object = 'TABLE';
  let name: string;
  if (tape.accept('column')) {
    object = 'COLUMN';
    const parts = [tape.name()];
    while (tape.accept('.')) parts.push(tape.name());
    if (parts.length < 2) throw syntaxError('is');
    name = parts.map(backing).join('.');
  } else {
    tape.expect('table');
    name = tape.writeTable().sql;
  }
  tape.expect('is');
  const start = tape.mark();
  if (!tape.keep('null')) tape.emitString(tape.string());
  const text = tape.cut(start);
  tape.finish();
  return passed('comment', `COMMENT ON ${object} ${name} IS ${text}`);
}
