// Package iso81 is the IEC 61850-8-1 carrier: it makes Links out of TCP connections, plain or with TLS (IEC 62351-3), by way of
// RFC 1006, transport class 0 (ISO/IEC 8073), session (ITU-T X.225), presentation (X.226) and ACSE (X.227).
//
// An Association has no goroutine of its own: Recv reads on the caller's, Send writes on the caller's, and what several
// senders have ready goes out in one write. Each layer has one file; the rules of the three upper ones are a machine
// (machine.go) without I/O and clock.
package iso81
