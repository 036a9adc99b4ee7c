// Package assoc is the MMS association: initiate, invoke ids, outstanding calls in both directions,
// conclude and abort. The rules are a machine (machine.go) without goroutine, clock or I/O; Association
// is the shell that moves PDUs between the machine, a Link and the callers.
package assoc
