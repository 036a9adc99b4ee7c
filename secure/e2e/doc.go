// Package e2e is the end-to-end security of IEC 62351-4 in its native mode: the handshake that two
// applications make through whatever carries their messages, and the channel that comes of it.
//
// It is a machine: no input or output, no goroutine, no clock. An [Initiator] makes a HandshakeReq
// and reads what comes back; a [Responder] reads a HandshakeReq and makes an [Offer] of it, which
// its owner accepts or rejects; both ends then hold a [Channel], which seals and opens protected
// PDUs, renews its keys, and ends the association when a check fails.
//
// What is signed, and what goes into the authenticated encryption beside the ciphertext, is the
// canonical form of the content of the XML elements tbs and token2, so that a server on the way may
// rewrite the XML without changing its meaning and the peer still verifies it. A received SecPDU is
// brought into canonical form once; only those octets are decoded, verified and acted upon.
package e2e
