// Package pki makes, keeps and verifies the keys and certificates of both
// kinds of security: E2M, which is the TLS of each hop, and E2E, which is
// IEC 62351-4 between client and server. The two have separate roots.
//
// Names and roles come from a certificate only after a [Trust] has verified it:
// a [Verified] is the proof. The [CA] is for laboratories and small sites.
package pki
