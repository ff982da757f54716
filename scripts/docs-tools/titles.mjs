/**
 * For typedoc: a document is called by its first heading, not by its file.
 */
import { Converter, ReflectionKind } from 'typedoc'

export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const document of context.project.getReflectionsByKind(ReflectionKind.Document)) {
      const [first] = document.content
      const [heading, title] = (first?.kind === 'text' && /^\s*# (.+)\n/u.exec(first.text)) || []
      if (title === undefined) continue
      document.name = title.replaceAll('`', '')
      first.text = first.text.replace(heading, '')
    }
  })
}
