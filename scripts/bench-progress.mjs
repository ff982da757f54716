/** How far `npm run bench` is, on standard error: a bar below the output on a terminal, a line for each question elsewhere. */

/** `names` are the questions of the run, `secondsBefore` how long each took the last time, as far as that is known. */
export async function openProgress(names, secondsBefore) {
  const known = names.map((name) => secondsBefore[name]).filter((seconds) => seconds !== undefined)
  const usual = known.length === 0 ? 1 : known.reduce((sum, seconds) => sum + seconds, 0) / known.length
  const expected = names.map((name) => secondsBefore[name] ?? usual)
  const total = expected.reduce((sum, seconds) => sum + seconds, 0)
  const leftAfter = (done) => (known.length === 0 ? '' : `, about ${inWords(expected.slice(done).reduce((sum, seconds) => sum + seconds, 0))} left`)
  return process.stderr.isTTY ? await openBar(names, expected, total, leftAfter) : openLines(names, leftAfter)
}

async function openBar(names, expected, total, leftAfter) {
  const { MultiBar } = await import('cli-progress')
  // Drawn twice a second only, since it shares the processors with what is measured.
  const options = { fps: 2, linewrap: true, gracefulExit: true, clearOnComplete: true, hideCursor: true, emptyOnZero: true }
  const bars = new MultiBar({ ...options, format: '{bar} {place} {name} {clock}{left}', barCompleteChar: '█', barIncompleteChar: '░', barsize: 24 })
  const bar = bars.create(total, 0, { place: '', name: '', clock: '', left: '' })
  let ticking
  return {
    print: (line) => bars.log(`${line}\n`),
    begin(index) {
      const startedMs = performance.now()
      const done = expected.slice(0, index).reduce((sum, seconds) => sum + seconds, 0)
      const show = () => bar.update(done, { place: `${index + 1}/${names.length}`, name: names[index], clock: inWords((performance.now() - startedMs) / 1000), left: leftAfter(index) })
      show()
      ticking = setInterval(show, 1000)
    },
    end: () => clearInterval(ticking),
    close() {
      // What was printed last is still to be shown.
      bars.update()
      bars.stop()
    },
  }
}

function openLines(names, leftAfter) {
  return {
    print: console.log,
    begin: (index) => process.stderr.write(`\n[${index + 1}/${names.length}] ${names[index]}${leftAfter(index)}\n`),
    end() {},
    close() {},
  }
}

function inWords(seconds) {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}
