package e2e

import "busbar.example/internal/asn1"

// Namespace is the XML namespace of the SecPDUs.
const Namespace = "http://www.iec.ch/62351/2018/E2E_4"

// A SecPDU is one security PDU: *HandshakeReq, *HandshakeAcc, *ApplicationReject,
// *HandshakeSecReject, *HandshakeSecAbort, *ClearTransfer, *EncrTransfer, *DtSecAbort, *ApplAbort,
// *ReleaseReq or *ReleaseRsp. The names of the Go types are those of the XML elements.
//
// IEC 62351-4, Clause 13.
type SecPDU interface{ secPDU() }

// HandshakeReq asks for an association. The client sends it with the first PDU of the protected
// protocol inside.
//
// IEC 62351-4, 13.1.3.
type HandshakeReq struct {
	PP   string       `asn:"pp VisibleString"` // the protected protocol; not signed
	TBS  HandshakeTBS `asn:"tbs"`
	Sign Signature    `asn:"sign"`
}

// HandshakeAcc accepts a HandshakeReq. Each list of algorithms is reduced to the one that is chosen.
//
// IEC 62351-4, 13.1.4.
type HandshakeAcc struct {
	PP   string       `asn:"pp VisibleString"` // the protected protocol; not signed
	TBS  HandshakeTBS `asn:"tbs"`
	Sign Signature    `asn:"sign"`
}

// HandshakeTBS is what a handshake PDU signs.
type HandshakeTBS struct {
	Token1   ClearToken1 `asn:"token1"`
	ApplData asn1.Open   `asn:"applData"`
}

// ApplicationReject refuses an association in the name of the protected protocol, with its PDU.
//
// IEC 62351-4, 13.1.5.
type ApplicationReject struct {
	TBS  ApplicationRejectTBS `asn:"tbs"`
	Sign Signature            `asn:"sign"`
}

// ApplicationRejectTBS is what an ApplicationReject signs.
type ApplicationRejectTBS struct {
	Token3   ClearToken3 `asn:"token3"`
	ApplData asn1.Open   `asn:"applData"`
}

// HandshakeSecReject refuses a HandshakeReq.
//
// IEC 62351-4, 13.1.6.
type HandshakeSecReject struct {
	TBS  HandshakeDiagTBS `asn:"tbs"`
	Sign Signature        `asn:"sign"`
}

// HandshakeSecAbort refuses a HandshakeAcc.
//
// IEC 62351-4, 13.1.7.
type HandshakeSecAbort struct {
	TBS  HandshakeDiagTBS `asn:"tbs"`
	Sign Signature        `asn:"sign"`
}

// HandshakeDiagTBS is what HandshakeSecReject and HandshakeSecAbort sign. Diag is nil where the peer
// is not to learn the cause.
type HandshakeDiagTBS struct {
	Token3 ClearToken3           `asn:"token3"`
	Diag   *HandshakeDiagnostics `asn:"diag OPTIONAL"`
}

// ClearTransfer carries a PDU of the protected protocol that anybody may read.
//
// IEC 62351-4, 13.2.2.
type ClearTransfer struct {
	TBP  ClearTBP      `asn:"tbp"`
	Auth Authenticator `asn:"auth"`
}

// ClearTBP is what the authenticator of a ClearTransfer protects.
type ClearTBP struct {
	Token2   ClearToken2 `asn:"token2"`
	ApplData asn1.Open   `asn:"applData"`
}

// EncrTransfer carries an encrypted PDU of the protected protocol. Auth is absent with
// authenticated encryption, whose additional data is the content of token2.
//
// IEC 62351-4, 13.2.3.
type EncrTransfer struct {
	TBP  EncrTBP        `asn:"tbp"`
	Auth *Authenticator `asn:"auth OPTIONAL"`
}

// EncrTBP holds the token and the ciphertext, which ends with the tag of the algorithm.
type EncrTBP struct {
	Token2   ClearToken2 `asn:"token2"`
	ApplData []byte      `asn:"applData BASE64"`
}

// DtSecAbort ends an association because a check of a protected PDU has failed.
//
// IEC 62351-4, 13.1.8.
type DtSecAbort struct {
	TBS  DtSecAbortTBS `asn:"tbs"`
	Sign Signature     `asn:"sign"`
}

// DtSecAbortTBS is what a DtSecAbort signs. Diag is nil where the peer is not to learn the cause.
type DtSecAbortTBS struct {
	Token3 ClearToken3    `asn:"token3"`
	Diag   *DtDiagnostics `asn:"diag OPTIONAL"`
}

// ApplAbort ends an association in the name of the protected protocol, with its PDU where it has
// one.
//
// IEC 62351-4, 13.1.9.
type ApplAbort struct {
	TBS  ApplAbortTBS `asn:"tbs"`
	Sign Signature    `asn:"sign"`
}

// ApplAbortTBS is what an ApplAbort signs.
type ApplAbortTBS struct {
	Token3   ClearToken3 `asn:"token3"`
	ApplData asn1.Open   `asn:"applData OPTIONAL"`
}

// ReleaseReq asks to end an association in good order.
//
// IEC 62351-4, 13.1.10.
type ReleaseReq struct {
	TBS  ReleaseTBS `asn:"tbs"`
	Sign Signature  `asn:"sign"`
}

// ReleaseRsp answers a ReleaseReq; the association is over.
//
// IEC 62351-4, 13.1.11.
type ReleaseRsp struct {
	TBS  ReleaseTBS `asn:"tbs"`
	Sign Signature  `asn:"sign"`
}

// ReleaseTBS is what ReleaseReq and ReleaseRsp sign.
type ReleaseTBS struct {
	Token3 ClearToken3 `asn:"token3"`
}

func (*HandshakeReq) secPDU()       {}
func (*HandshakeAcc) secPDU()       {}
func (*ApplicationReject) secPDU()  {}
func (*HandshakeSecReject) secPDU() {}
func (*HandshakeSecAbort) secPDU()  {}
func (*ClearTransfer) secPDU()      {}
func (*EncrTransfer) secPDU()       {}
func (*DtSecAbort) secPDU()         {}
func (*ApplAbort) secPDU()          {}
func (*ReleaseReq) secPDU()         {}
func (*ReleaseRsp) secPDU()         {}

// Signature is a signature over the canonical content of tbs. Algo repeats the token's sigAlg.
//
// IEC 62351-4, 13.4.1.
type Signature struct {
	Algo AlgorithmIdentifier `asn:"algo"`
	Sign []byte              `asn:"sign BASE64"`
}

// Authenticator is an integrity check value over the content of tbp.
//
// IEC 62351-4, 13.4.2.
type Authenticator struct {
	Nonce     []byte              `asn:"nonce BASE64 OPTIONAL"`
	Algorithm AlgorithmIdentifier `asn:"algorithm"`
	ICV       []byte              `asn:"icv BASE64"`
}

// The alternatives of SecPDU have no identifier of their own in XML: their elements bear the names
// of the types.
var module = asn1.NewModule(
	asn1.Choice[SecPDU]("SecPDU",
		asn1.Alt[*HandshakeReq]("[0]"),
		asn1.Alt[*HandshakeAcc]("[1]"),
		asn1.Alt[*ApplicationReject]("[2]"),
		asn1.Alt[*HandshakeSecReject]("[3]"),
		asn1.Alt[*HandshakeSecAbort]("[4]"),
		asn1.Alt[*ClearTransfer]("[5]"),
		asn1.Alt[*EncrTransfer]("[6]"),
		asn1.Alt[*DtSecAbort]("[7]"),
		asn1.Alt[*ApplAbort]("[8]"),
		asn1.Alt[*ReleaseReq]("[9]"),
		asn1.Alt[*ReleaseRsp]("[10]"),
	),
	asn1.Choice[EncrMode]("CHOICE",
		asn1.Alt[AEA]("aea"),
		asn1.Alt[*NonAEA]("non-aea [0]"),
	),
	asn1.NamedBits[Version]("Version", 1, asn1.Names{"v1"}),
	asn1.NamedBits[ConfidentialityParms]("ConfidentialityParms", 3, asn1.Names{"tlsProtected", "applProtected", "vpn"}),
	asn1.Enumerated[HandshakeDiagnostics]("HandshakeDiagnostics", handshakeDiagnosticsNames),
	asn1.Enumerated[DtDiagnostics]("DtDiagnostics", dtDiagnosticsNames),
)
