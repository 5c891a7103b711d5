// Package memfile is the format of the memory files (memfd_create(2)) that outlive a process:
// a sealed value, a blob, and a value with the records that came after it, a journal.
//
// A file begins with a header (header.go). A record is framed so that an unfinished one can be
// told from damage (record.go). Reading changes nothing, not even a file offset, which systemd
// and other processes share.
package memfile
