// Package manpage makes man pages of a command line: one for the command, and one
// for each of its commands, from the very texts that --help shows.
//
// Of a long description, a paragraph that begins with "Exit status:" becomes the
// section of that name, and indented lines stay lines. The pages depend on the
// commands and the date alone.
//
// It stands in for cobra/doc, which takes descriptions for Markdown. No descriptors,
// no files: [Pages] is pure.
//
// Man pages: man(7), man-pages(7).
package manpage
