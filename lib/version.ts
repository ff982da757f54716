/**
 * Which version of the package this is: that of package.json, which `npm run release` writes to both.
 *
 * @module
 * @internal
 */

/** Facade and image must be of one version: they share layouts of memory. */
export const version = '0.1.0'
