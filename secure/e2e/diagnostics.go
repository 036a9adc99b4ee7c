package e2e

import "busbar.example/internal/asn1"

// HandshakeDiagnostics says to the peer why a handshake was refused, where it may know.
//
// IEC 62351-4, 14.2, HandshakeDiagnostics.
type HandshakeDiagnostics uint8

// The handshake diagnostics, by their numbers.
const (
	HandshakeNoReason HandshakeDiagnostics = iota
	HandshakeProtocolError
	ProtectedProtocolNotSupported
	InvalidSignatureAlgorithm
	HandshakeUnexpectedVersion
	HmacAlgorithmNotSupported
	EncryptionNotRequired
	HandshakeEncryptionRequired
	InvalidPublicKeyCertificate
	InvalidCertificationPath
	InvalidTimeValue
	DHGroupNotSupported
	IllegalDHGroupSelected
	IcvAlgorithmsNotSupported
	EncryptAlgorithmsNotSupported
	AeaAlgorithmsNotSupported
	InvalidAttributeCertificate
	EncrModeAeaNotSupported
	AeIsRequired
	AeaSelectButEncrypNotSupp
	InvalidAeAlgorithm
	SingleAeAlgorithmRequired
	AeNotUsed
	InvalidEncryptionAlgorithm
	SingleEncryptAlgoRequired
	SingleIcvAlgoRequired
)

var handshakeDiagnosticsNames = asn1.Names{
	HandshakeNoReason:             "no-reason",
	HandshakeProtocolError:        "protocol-error",
	ProtectedProtocolNotSupported: "protected-protocol-not-supported",
	InvalidSignatureAlgorithm:     "invalid-signatureAlgorithm",
	HandshakeUnexpectedVersion:    "unexpected-version",
	HmacAlgorithmNotSupported:     "hmac-algorithm-not-supported",
	EncryptionNotRequired:         "encryption-not-required",
	HandshakeEncryptionRequired:   "encryption-required",
	InvalidPublicKeyCertificate:   "invalid-public-key-certificate",
	InvalidCertificationPath:      "invalid-certification-path",
	InvalidTimeValue:              "invalid-time-value",
	DHGroupNotSupported:           "dhGroup-not-supported",
	IllegalDHGroupSelected:        "illegal-dhGroup-selected",
	IcvAlgorithmsNotSupported:     "icv-algorithms-not-supported",
	EncryptAlgorithmsNotSupported: "encrypt-algorithms-not-supported",
	AeaAlgorithmsNotSupported:     "aea-algorithms-not-supported",
	InvalidAttributeCertificate:   "invalid-attribute-certificate",
	EncrModeAeaNotSupported:       "encr-mode-aea-not-supported",
	AeIsRequired:                  "ae-is-required",
	AeaSelectButEncrypNotSupp:     "aea-select-but-encryp-not-supp",
	InvalidAeAlgorithm:            "invalid-ae-algorithm",
	SingleAeAlgorithmRequired:     "single-ae-algorithm-required",
	AeNotUsed:                     "ae-not-used",
	InvalidEncryptionAlgorithm:    "invalid-encryption-algorithm",
	SingleEncryptAlgoRequired:     "single-encrypt-algo-required",
	SingleIcvAlgoRequired:         "single-icv-algo-required",
}

// String returns the identifier of the standard, or the number where it has none.
func (d HandshakeDiagnostics) String() string { return handshakeDiagnosticsNames.Text(int64(d)) }

// DtDiagnostics says to the peer why an association was ended during data transfer.
//
// IEC 62351-4, 14.2, DtDiagnostics.
type DtDiagnostics uint8

// The data transfer diagnostics, by their numbers.
const (
	DtNoReason DtDiagnostics = iota
	DtProtocolError
	DtUnexpectedVersion
	EncryptionNotSelected
	DtEncryptionRequired
	GmacNonceRequired
	InvalidSequenceNumber
	AesInitVectorRequired
	UnexpectedDHPublicKey
	UnexpectedChangedKeys
)

var dtDiagnosticsNames = asn1.Names{
	DtNoReason:            "no-reason",
	DtProtocolError:       "protocol-error",
	DtUnexpectedVersion:   "unexpected-version",
	EncryptionNotSelected: "encryption-not-selected",
	DtEncryptionRequired:  "encryption-required",
	GmacNonceRequired:     "gmac-nonce-required",
	InvalidSequenceNumber: "invalid-sequence-number",
	AesInitVectorRequired: "aes-init-vector-required",
	UnexpectedDHPublicKey: "unexpected-dhPublicKey",
	UnexpectedChangedKeys: "unexpected-changedKeys",
}

// String returns the identifier of the standard, or the number where it has none.
func (d DtDiagnostics) String() string { return dtDiagnosticsNames.Text(int64(d)) }
