package mms

// InitiateRequest proposes an association.
//
// ISO 9506-2, Initiate-RequestPDU.
type InitiateRequest struct {
	LocalDetailCalling                *int32            `asn:"localDetailCalling [0] OPTIONAL"` // largest PDU, in octets; nil: no limit
	ProposedMaxServOutstandingCalling int16             `asn:"proposedMaxServOutstandingCalling [1]"`
	ProposedMaxServOutstandingCalled  int16             `asn:"proposedMaxServOutstandingCalled [2]"`
	ProposedDataStructureNestingLevel *int8             `asn:"proposedDataStructureNestingLevel [3] OPTIONAL"` // nil: no limit
	InitRequestDetail                 InitRequestDetail `asn:"mmsInitRequestDetail [4]"`
}

// InitRequestDetail is what an InitiateRequest says of MMS itself.
//
// ISO 9506-2, InitRequestDetail.
type InitRequestDetail struct {
	ProposedVersionNumber    int16                   `asn:"proposedVersionNumber [0]"`
	ProposedParameterCBB     ParameterSupportOptions `asn:"proposedParameterCBB [1]"`
	ServicesSupportedCalling ServiceSupportOptions   `asn:"servicesSupportedCalling [2]"`
}

// InitiateResponse accepts an association, with what holds for it.
//
// ISO 9506-2, Initiate-ResponsePDU, whose spelling is negociated….
type InitiateResponse struct {
	LocalDetailCalled                   *int32             `asn:"localDetailCalled [0] OPTIONAL"` // largest PDU, in octets; nil: no limit
	NegotiatedMaxServOutstandingCalling int16              `asn:"negotiatedMaxServOutstandingCalling [1] ALIAS negociatedMaxServOutstandingCalling"`
	NegotiatedMaxServOutstandingCalled  int16              `asn:"negotiatedMaxServOutstandingCalled [2] ALIAS negociatedMaxServOutstandingCalled"`
	NegotiatedDataStructureNestingLevel *int8              `asn:"negotiatedDataStructureNestingLevel [3] OPTIONAL ALIAS negociatedDataStructureNestingLevel"`
	InitResponseDetail                  InitResponseDetail `asn:"mmsInitResponseDetail [4]"`
}

// InitResponseDetail is what an InitiateResponse says of MMS itself.
//
// ISO 9506-2, InitResponseDetail.
type InitResponseDetail struct {
	NegotiatedVersionNumber int16                   `asn:"negotiatedVersionNumber [0] ALIAS negociatedVersionNumber"`
	NegotiatedParameterCBB  ParameterSupportOptions `asn:"negotiatedParameterCBB [1] ALIAS negociatedParameterCBB"`
	ServicesSupportedCalled ServiceSupportOptions   `asn:"servicesSupportedCalled [2]"`
}

// InitiateError refuses an association.
//
// ISO 9506-2, Initiate-ErrorPDU.
type InitiateError struct {
	ServiceError `asn:"TRANSPARENT"`
}
