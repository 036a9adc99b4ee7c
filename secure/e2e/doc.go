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
// # Modes
//
// In the mode [Encrypted] data travels as EncrTransfer: under authenticated encryption, AES-GCM; or
// encrypted with AES-CBC and then authenticated with HMAC-SHA256, for peers that have nothing better
// and only where it is configured. In the mode [Clear] it travels as ClearTransfer, which anybody may
// read: authenticated with HMAC-SHA256 or AES-GMAC. Peers, times, order and keys are checked alike in
// all of them. Two ends of different modes do not associate, and both say why; the choice of the
// algorithm is signed by both, so nobody on the way can weaken it.
//
// Signatures are ecdsa-with-SHA256 on P-256 or sha256WithRSAEncryption with 2,048 bits or more, the
// key agreement is ECDH on P-256 (group 23) or, where it is configured, MODP-2048 (group 14); the
// keys come from HKDF with SHA-256. Attribute certificates and hybrid groups are refused.
//
// # What a receiver can tell
//
// That a PDU comes from the peer, unchanged, once and in order holds in every mode. That nothing was
// held back before it holds because PDUs are numbered: the token's time and sequence number do not
// suffice for that, as each new time begins with 0 again. AES-GCM and AES-GMAC have the number in
// their nonce. A token under HMAC carries it in iv, which the algorithm itself has no use for; and
// the initialization vector of AES-CBC is the number, encrypted under the key, which nobody else can
// foresee. A peer whose PDUs under HMAC or AES-CBC come without such a number is taken nevertheless,
// and the event of its association says so: then a PDU that is held back goes unnoticed if the next
// one has a new time.
//
// # Choices
//
// Where the published material leaves a choice, this package takes the following. An element is
// named like its type or component; octet strings are base64; a group is written as its number, a
// public key of group 14 in 256 octets. The salt of the first keys is H(tbs2 ‖ H(tbs1 ‖ 0³²)), that
// of later ones H(token2 ‖ previous salt), where token2 is the one that carries the new public key,
// and the secret of later ones is followed by the chain value of the keys before. HKDF yields the
// client's key or keys, for encryption before the ICV, the server's, the client's and the server's
// nonce prefix of 4 octets each, and the chain value of 32. A nonce is the prefix and a counter of 8
// octets that begins at 0 with every key and grows by one with every PDU. It travels in the component
// iv of token2; that of AES-GMAC in the component nonce of the authenticator. The block that is
// encrypted to be the initialization vector of AES-CBC is the prefix, 4 octets of 0 and the counter;
// the padding is that of CMS. The parameters of AES-GMAC are written as those of AES-GCM are. An ICV
// beside the data is over the canonical content of tbp.
package e2e
