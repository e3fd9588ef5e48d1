/**
 * The import rules, checked on the syntax tree: imports go one way, vendor clients are made in one place, and
 * the process is touched in one place. `make check` runs this file; it prints one line per breach and fails.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export interface Breach {
  file: string;
  line: number;
  rule: string;
}

/** What each folder of src may import besides itself; `.` are the files directly in src, which import only each other. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  command: ['cli', 'connect', 'sync', 'plan', 'load', 'source', 'codec', 'sink', 'column', 'watermark', '.'],
  sync: ['plan', 'source', 'codec', 'sink', 'column', 'watermark', '.'],
  load: ['source', 'codec', 'sink', 'column', 'watermark', '.'],
  plan: ['source', 'codec', 'sink', 'column', 'watermark', '.'],
  source: ['codec', 'sink', 'column', 'watermark', '.'],
  codec: ['source', 'sink', 'column', 'watermark', '.'],
  sink: ['source', 'codec', 'column', 'watermark', '.'],
  column: ['.'],
  watermark: ['.'],
  connect: ['cli', '.'],
  cli: ['.'],
  '.': [],
};

/** Exports that open a connection, by package. */
const CONSTRUCTORS: Record<string, readonly string[]> = {
  '@aws-sdk/client-s3': ['S3Client', 'S3'],
  '@aws-sdk/client-redshift': ['RedshiftClient', 'Redshift'],
  '@aws-sdk/client-redshift-serverless': ['RedshiftServerlessClient', 'RedshiftServerless'],
  '@aws-sdk/client-redshift-data': ['RedshiftDataClient', 'RedshiftData'],
  mysql2: ['createConnection', 'createPool', 'createPoolCluster'],
  'mysql2/promise': ['createConnection', 'createPool', 'createPoolCluster'],
  pg: ['Client', 'Pool'],
  ssh2: ['Client'],
};

/** Outside src/cli, who may use which parts of `process` (itself is ''): the standard streams and one warning filter. */
const PROCESS: Record<string, readonly string[]> = {
  'source/stdin.ts': ['stdin'],
  'sink/stdout.ts': ['stdout'],
  'connect/s3.ts': ['emitWarning', ''],
};

const folderOf = (file: string): string => (file.includes('/') ? (file.split('/')[0] as string) : '.');

/** The breaches in one file of src; `file` is its path below src, `isBarrel` knows the paths that only re-export. */
export function breachesOf(file: string, text: string, isBarrel: (file: string) => boolean): Breach[] {
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const found: Breach[] = [];
  const breach = (node: ts.Node, rule: string): void => {
    found.push({ file, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1, rule });
  };
  const vendors = vendorNames(tree);
  const visit = (node: ts.Node): void => {
    const target = importedBy(node);
    if (target?.startsWith('.')) checkImport(node, normalize(join(dirname(file), target)).replace(/\.js$/, '.ts'));
    if (target === 'node:process' || target === 'process') checkProcess(node, '');
    if (ts.isIdentifier(node) && node.text === 'process' && !isPropertyName(node)) {
      checkProcess(node, memberOf(node.parent));
    }
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && folderOf(file) !== 'connect') {
      const constructed = vendors.get(node.expression.getText());
      if (constructed) breach(node, `only src/connect constructs vendor clients: ${constructed}`);
    }
    ts.forEachChild(node, visit);
  };
  const checkImport = (node: ts.Node, imported: string): void => {
    const [from, to] = [folderOf(file), folderOf(imported)];
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) breach(node, `src/${from} is not in the map of design section 6`);
    else if (imported.startsWith('..')) breach(node, `src imports nothing from outside src: ${imported}`);
    else if (from !== to && !allowed.includes(to))
      breach(node, `${named(from)} must not import ${named(to)}: ${imported}`);
    if (isBarrel(imported)) breach(node, `import from the file that defines the thing: ${imported} only re-exports`);
  };
  const checkProcess = (node: ts.Node, member: string): void => {
    if (folderOf(file) === 'cli' || PROCESS[file]?.includes(member)) return;
    breach(node, `only src/cli touches the process${member ? `: process.${member}` : ''}`);
  };
  visit(tree);
  return found;
}

const named = (folder: string): string => (folder === '.' ? 'a file directly in src' : `src/${folder}`);

/** The module a static import, re-export, dynamic import or import type names. */
function importedBy(node: ts.Node): string | undefined {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier)
    return textOf(node.moduleSpecifier);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return textOf(node.arguments[0]);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal);
  return undefined;
}

const textOf = (node: ts.Node | undefined): string | undefined =>
  node && ts.isStringLiteralLike(node) ? node.text : undefined;

/** What `process.x` or `typeof process.x` names; '' for the process itself. */
function memberOf(parent: ts.Node): string {
  if (ts.isPropertyAccessExpression(parent)) return parent.name.text;
  return ts.isQualifiedName(parent) ? parent.right.text : '';
}

function isPropertyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent))
    return parent.name === node && parent.expression.getText() !== 'globalThis';
  return (
    (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isMethodDeclaration(parent)) &&
    parent.name === node
  );
}

/** How the file spells the constructors it imported, statically or with `await import()`: spelling -> what it is. */
function vendorNames(tree: ts.SourceFile): Map<string, string> {
  const names = new Map<string, string>();
  const bind = (module: string | undefined, pattern: ts.Node | undefined): void => {
    const constructors = CONSTRUCTORS[module ?? ''];
    if (!constructors || !pattern) return;
    if (ts.isIdentifier(pattern)) for (const each of constructors) names.set(`${pattern.text}.${each}`, each);
    else if (ts.isNamespaceImport(pattern)) bind(module, pattern.name);
    else if (ts.isNamedImports(pattern) || ts.isObjectBindingPattern(pattern))
      for (const element of pattern.elements) {
        const original = (element.propertyName ?? element.name).getText();
        if (original === 'default') bind(module, element.name);
        else if (constructors.includes(original)) names.set(element.name.getText(), original);
      }
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const module = textOf(node.moduleSpecifier);
      bind(module, node.importClause?.name);
      bind(module, node.importClause?.namedBindings);
    }
    if (ts.isVariableDeclaration(node) && node.initializer && ts.isAwaitExpression(node.initializer))
      bind(importedBy(node.initializer.expression), node.name);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return names;
}

/** Whether a file does nothing but pass on what others define. */
export function isReExportOnly(text: string): boolean {
  const { statements } = ts.createSourceFile('any.ts', text, ts.ScriptTarget.Latest);
  const reExports = statements.filter((each) => ts.isExportDeclaration(each) && each.moduleSpecifier);
  return reExports.length > 0 && reExports.length === statements.filter((each) => !ts.isImportDeclaration(each)).length;
}

/** Checks a whole src folder. */
export function breachesIn(src: string): Breach[] {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const texts = new Map(files.map((file) => [file, readFileSync(join(src, file), 'utf8')]));
  const barrels = new Set([...texts].filter(([, text]) => isReExportOnly(text)).map(([file]) => file));
  return [...texts].flatMap(([file, text]) => breachesOf(file, text, (imported) => barrels.has(imported)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const src = fileURLToPath(new URL('../../../src', import.meta.url));
  const breaches = breachesIn(src);
  for (const { file, line, rule } of breaches)
    process.stderr.write(`${relative(process.cwd(), join(src, file))}:${line}: ${rule}\n`);
  process.exitCode = breaches.length > 0 ? 1 : 0;
}
