/**
 * `shmem completion`: scripts for bash and zsh, made from the verbs and options that there are, so that they never lack one. Names come from `shmem complete-names`.
 */
import type { Command } from 'commander'
import { list } from 'shmem'
import { EXIT, Usage } from './exit.js'
import { print, printAll } from './output.js'

/** The verb for a program. */
export function completion(program: Command): (shell: string) => number {
  return shell => {
    if (shell !== 'bash' && shell !== 'zsh') throw new Usage(`there are scripts for bash and zsh, not for ${shell}`)
    const verbs = program.commands.filter(command => !command.name().startsWith('complete-'))
    print((shell === 'bash' ? bash : zsh)(verbs))
    return EXIT.ok
  }
}

/** Names that a shell needs no quotes for, a line each. */
export function names(): number {
  const words = list({ users: false }).flatMap(({ name, id }) => [name, ...(id === undefined ? [] : [String(id)])])
  printAll(new Set(words.filter(word => /^[\w./:@+-]+$/u.test(word))))
  return EXIT.ok
}

const TAKES_NAMES = ['stat', 'members', 'dump', 'rm', 'top']

function bash(verbs: readonly Command[]): string {
  const cases = verbs.map(verb => `    ${verb.name()}) words='${optionsOf(verb).map(({ flag }) => flag).join(' ')}${choices(verb)}' ;;`)
  return `# shmem completion for bash: eval "$(shmem completion bash)"
_shmem() {
  # Not COMP_WORDS: bash takes memfd:name apart there, and --kind=posix.
  local line="\${COMP_LINE:0:COMP_POINT}" verb="\${COMP_WORDS[1]}" words=''
  local word="\${line##*[[:space:]]}"
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${verbs.map(verb => verb.name()).join(' ')} --help --version' -- "$word"))
    return
  fi
  if [[ "$word" == --kind=* || "\${COMP_WORDS[COMP_CWORD-1]}" == --kind ]]; then
    COMPREPLY=($(compgen -W '${kinds(verbs)}' -- "\${word#--kind=}"))
    return
  fi
  case "$verb" in
${cases.join('\n')}
  esac
  if [[ "$word" != -* && " ${TAKES_NAMES.join(' ')} " == *" $verb "* ]]; then
    words=" $(shmem complete-names 2>/dev/null | tr '\\n' ' ')"
    if [[ "$word" == [!/]* ]]; then words="\${words// \\// }"; fi
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ "$word" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then COMPREPLY=("\${COMPREPLY[@]#"\${word%:*}:"}"); fi
}
complete -o default -F _shmem shmem`
}

function zsh(verbs: readonly Command[]): string {
  const described = verbs.map(verb => `    '${verb.name()}:${quoted(verb.description())}'`)
  const cases = verbs.map(verb => {
    const options = optionsOf(verb).map(({ flag, description, values }) => `'${flag}${values === undefined ? '' : '='}[${quoted(description)}]${values === undefined ? '' : `:value:(${values})`}'`)
    const operands = TAKES_NAMES.includes(verb.name()) ? ["'*:name:_shmem_names'"] : verb.name() === 'completion' ? ["'1:shell:(bash zsh)'"] : []
    return `    ${verb.name()}) _arguments ${[...options, ...operands].join(' ')} ;;`
  })
  return `#compdef shmem
# shmem completion for zsh: shmem completion zsh > "\${fpath[1]}/_shmem"
_shmem_names() {
  local -a names
  names=(\${(f)"$(shmem complete-names 2>/dev/null)"})
  if [[ $PREFIX == [^/]* ]]; then names=(\${names#/}); fi
  compadd -a names
}
_shmem() {
  local -a verbs
  verbs=(
${described.join('\n')}
  )
  if ((CURRENT == 2)); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  ((CURRENT--))
  case $verb in
${cases.join('\n')}
  esac
}
if [[ $funcstack[1] == _shmem ]]; then _shmem "$@"; else compdef _shmem shmem; fi`
}

interface Flag {
  flag: string
  description: string
  values: string | undefined
}

function optionsOf(verb: Command): Flag[] {
  const own = verb.options.map(({ long, description, argChoices, required }) => ({
    flag: long ?? '',
    description,
    values: required ? (argChoices?.join(' ') ?? ' ') : undefined
  }))
  return [...own, { flag: '--help', description: 'help for this verb', values: undefined }]
}

function kinds(verbs: readonly Command[]): string {
  return verbs.flatMap(({ options }) => options).find(({ long }) => long === '--kind')?.argChoices?.join(' ') ?? ''
}

function choices(verb: Command): string {
  return verb.name() === 'completion' ? ' bash zsh' : ''
}

/** Inside of single quotes, and of what _arguments and _describe take apart. */
function quoted(text: string): string {
  return text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/gu, '\\$&')
}
