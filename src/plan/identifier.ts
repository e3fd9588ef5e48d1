/** Names of MySQL things, quoted so that any name is only a name. */

/** A column, table or index between backticks. */
export function quotedName(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** `schema`.`table`. */
export function qualifiedName({ schema, table }: { schema: string; table: string }): string {
  return `${quotedName(schema)}.${quotedName(table)}`;
}

/** A list of columns between commas. */
export function nameList(names: readonly string[]): string {
  return names.map(quotedName).join(', ');
}
