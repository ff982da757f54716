/**
 * For typedoc: a document is called by its first heading, and its page by its file.
 */
import { Converter, KindRouter, ReflectionKind } from 'typedoc'

export function load(app) {
  const pages = new WeakMap()
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const document of context.project.getReflectionsByKind(ReflectionKind.Document)) {
      const [, title] = /^\s*# (.+)\n/u.exec(document.content.map(({ text }) => text).join('')) ?? []
      // A folder's README.md is its page; what is in docs/ is in no folder here.
      pages.set(document, `documents/${document.name.replace(/^docs\//u, '').replace(/\/README$/u, '').replaceAll('/', '-')}`)
      if (title !== undefined) document.name = title.replaceAll('`', '')
    }
  })
  app.renderer.defineRouter('by-file', class extends KindRouter {
    getIdealBaseName(reflection) {
      return pages.get(reflection) ?? super.getIdealBaseName(reflection)
    }
  })
}
