/** Loaded into every test process: a warning of Node's (a leaked listener, a deprecated call) fails the file. */
process.on('warning', (warning) => {
  process.stderr.write(`a process warning fails this test: ${warning.stack ?? warning.message}\n`);
  process.exitCode = 1;
});
