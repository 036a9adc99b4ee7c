// Package xmpp82 is the IEC 61850-8-2 carrier: it makes Links out of XMPP stanzas. The kind of a PDU
// chooses the kind of its stanza; an association element carries the association ids; inside it every
// PDU is protected end to end by IEC 62351-4.
//
// An Endpoint is one XMPP session with all its associations, in both directions. Its dispatcher runs on
// the session's reader and only sorts stanzas into the inboxes of their associations; unsealing and
// decoding happen in Recv, on the goroutine of the association that the stanza is for.
package xmpp82
