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
//
// # Selection
//
// Signatures are ecdsa-with-SHA256 on P-256, the key agreement is ECDH on the same curve (group 23),
// the keys come from HKDF with SHA-256, and data is encrypted with AES-256-GCM, or AES-128-GCM where
// the peer has nothing better. Data in clear is refused, as are attribute certificates.
//
// # Choices
//
// Where the published material leaves a choice, this package takes the following. An element is
// named like its type or component; octet strings are base64; a group is written as its number. The
// salt of the first keys is H(tbs2 ‖ H(tbs1 ‖ 0³²)), that of later ones H(token2 ‖ previous salt),
// where token2 is the one that carries the new public key, and the secret of later ones is followed
// by the chain value of the keys before. HKDF yields the client's key, the server's key, the client's
// and the server's nonce prefix of 4 octets each, and the chain value of 32. A nonce is the prefix and
// a counter of 8 octets that begins at 0 with every key and grows by one with every PDU; it travels
// in the component iv of token2.
package e2e
