// Package mms holds the PDUs of the Manufacturing Message Specification that IEC 61850 uses, each declared once, and encodes
// them as BER and as XER.
//
// Fields and types have the names of ISO 9506-2. A CHOICE is an interface whose alternatives are the types that implement
// it. Decoded PDUs are copies that share nothing with the input. All functions are safe for concurrent use.
package mms

import (
	"slices"

	"busbar.example/internal/asn1"
	"busbar.example/internal/asn1/ber"
	"busbar.example/internal/asn1/xer"
	"busbar.example/value"
)

// Namespace is the XML namespace of all elements of a PDU in XER. IEC 61850-8-2.
const Namespace = "http://www.iec.ch/61850/2018/SCSM_8_2"

// Limits bounds what is decoded: MaxSize octets (default 1 MiB), MaxDepth levels of nesting (64), MaxItems items of all
// lists, arrays and structures together (65,536). A zero field means its default.
type Limits = asn1.Limits

// SyntaxError is the error of DecodeXER and DecodeBER: octets that are no PDU, with offset and path.
type SyntaxError = asn1.SyntaxError

// ValueError is the error of AppendXER and AppendBER: a PDU that has no encoding, such as one with a component missing.
type ValueError = asn1.ValueError

// PDU is one MMS PDU: *ConfirmedRequest, *ConfirmedResponse, *ConfirmedError, *Unconfirmed, *Reject, *CancelRequest,
// *CancelResponse, *CancelError, *InitiateRequest, *InitiateResponse, *InitiateError, *ConcludeRequest, *ConcludeResponse or *ConcludeError.
//
// ISO 9506-2, MMSpdu.
type PDU interface{ pdu() }

func (*ConfirmedRequest) pdu()  {}
func (*ConfirmedResponse) pdu() {}
func (*ConfirmedError) pdu()    {}
func (*Unconfirmed) pdu()       {}
func (*Reject) pdu()            {}
func (*CancelRequest) pdu()     {}
func (*CancelResponse) pdu()    {}
func (*CancelError) pdu()       {}
func (*InitiateRequest) pdu()   {}
func (*InitiateResponse) pdu()  {}
func (*InitiateError) pdu()     {}
func (*ConcludeRequest) pdu()   {}
func (*ConcludeResponse) pdu()  {}
func (*ConcludeError) pdu()     {}

// module is what the struct tags of this package cannot say.
var module = asn1.NewModule(slices.Concat([]asn1.Decl{
	asn1.Choice[PDU]("MMSpdu",
		asn1.Alt[*ConfirmedRequest]("confirmed-RequestPDU [0]"),
		asn1.Alt[*ConfirmedResponse]("confirmed-ResponsePDU [1]"),
		asn1.Alt[*ConfirmedError]("confirmed-ErrorPDU [2]"),
		asn1.Alt[*Unconfirmed]("unconfirmed-PDU [3]"),
		asn1.Alt[*Reject]("rejectPDU [4]"),
		asn1.Alt[*CancelRequest]("cancel-RequestPDU [5]"),
		asn1.Alt[*CancelResponse]("cancel-ResponsePDU [6]"),
		asn1.Alt[*CancelError]("cancel-ErrorPDU [7]"),
		asn1.Alt[*InitiateRequest]("initiate-RequestPDU [8]"),
		asn1.Alt[*InitiateResponse]("initiate-ResponsePDU [9]"),
		asn1.Alt[*InitiateError]("initiate-ErrorPDU [10]"),
		asn1.Alt[*ConcludeRequest]("conclude-RequestPDU [11]"),
		asn1.Alt[*ConcludeResponse]("conclude-ResponsePDU [12]"),
		asn1.Alt[*ConcludeError]("conclude-ErrorPDU [13]"),
	),
	asn1.Choice[ConfirmedServiceRequest]("ConfirmedServiceRequest",
		asn1.Alt[*StatusRequest]("status [0]"),
		asn1.Alt[*GetNameListRequest]("getNameList [1]"),
		asn1.Alt[*IdentifyRequest]("identify [2]"),
		asn1.Alt[*ReadRequest]("read [4]"),
		asn1.Alt[*WriteRequest]("write [5]"),
		asn1.Alt[*GetVariableAccessAttributesRequest]("getVariableAccessAttributes [6]"),
		asn1.Alt[*DefineNamedVariableListRequest]("defineNamedVariableList [11]"),
		asn1.Alt[*GetNamedVariableListAttributesRequest]("getNamedVariableListAttributes [12]"),
		asn1.Alt[*DeleteNamedVariableListRequest]("deleteNamedVariableList [13]"),
		asn1.Alt[*ObtainFileRequest]("obtainFile [46]"),
		asn1.Alt[*ReadJournalRequest]("readJournal [65]"),
		asn1.Alt[*FileOpenRequest]("fileOpen [72]"),
		asn1.Alt[*FileReadRequest]("fileRead [73]"),
		asn1.Alt[*FileCloseRequest]("fileClose [74]"),
		asn1.Alt[*FileDeleteRequest]("fileDelete [76] SEQUENCE OF GraphicString"),
		asn1.Alt[*FileDirectoryRequest]("fileDirectory [77]"),
		asn1.Alt[*ExtendedGetNameListRequest]("extendedGetNameList XER"),
	),
	asn1.Choice[ConfirmedServiceResponse]("ConfirmedServiceResponse",
		asn1.Alt[*StatusResponse]("status [0]"),
		asn1.Alt[*GetNameListResponse]("getNameList [1]"),
		asn1.Alt[*IdentifyResponse]("identify [2]"),
		asn1.Alt[*ReadResponse]("read [4]"),
		asn1.Alt[*WriteResponse]("write [5]"),
		asn1.Alt[*GetVariableAccessAttributesResponse]("getVariableAccessAttributes [6]"),
		asn1.Alt[*DefineNamedVariableListResponse]("defineNamedVariableList [11]"),
		asn1.Alt[*GetNamedVariableListAttributesResponse]("getNamedVariableListAttributes [12]"),
		asn1.Alt[*DeleteNamedVariableListResponse]("deleteNamedVariableList [13]"),
		asn1.Alt[*ObtainFileResponse]("obtainFile [46]"),
		asn1.Alt[*ReadJournalResponse]("readJournal [65]"),
		asn1.Alt[*FileOpenResponse]("fileOpen [72]"),
		asn1.Alt[*FileReadResponse]("fileRead [73]"),
		asn1.Alt[*FileCloseResponse]("fileClose [74]"),
		asn1.Alt[*FileDeleteResponse]("fileDelete [76]"),
		asn1.Alt[*FileDirectoryResponse]("fileDirectory [77]"),
		asn1.Alt[*ExtendedGetNameListResponse]("extendedGetNameList XER"),
	),
	unconfirmedServiceDecl,
	rejectReasonDecl, errorClassDecl,
	asn1.Numbers[LogicalStatus]("INTEGER", logicalStatusNames), asn1.Numbers[PhysicalStatus]("INTEGER", physicalStatusNames),
	asn1.NamedBits[StatusDetail]("BIT STRING", 0, nil),
	objectNameDecl, objectScopeDecl, asn1.Numbers[ObjectClass]("ObjectClass", objectClassNames),
	asn1.Numbers[DeleteScope]("INTEGER", deleteScopeNames),
	asn1.Octets[TimeOfDay]("TimeOfDay", 4, 6), asn1.Octets[StartingTime]("TimeOfDay", 4, 6), asn1.Octets[EndingTime]("TimeOfDay", 4, 6),
	rangeStartDecl, rangeStopDecl, entryFormDecl, asn1.Numbers[EventConditionState]("EC-State", eventConditionStateNames),
	apTitleDecl, aeQualifierDecl, serviceSpecificInformationDecl, asn1.Numbers[ObtainFileError]("INTEGER", obtainFileErrorNames),
	variableAccessSpecificationDecl, variableSpecificationDecl, addressDecl,
	alternateAccessItemDecl, alternateAccessSelectionDecl, accessSelectionDecl, selectAccessDecl,
	typeSpecificationDecl,
	accessResultDecl, writeResultDecl, asn1.Numbers[DataAccessError]("DataAccessError", dataAccessErrorNames),
	asn1.NamedBits[ParameterSupportOptions]("ParameterSupportOptions", 11, parameterNames),
	asn1.NamedBits[ServiceSupportOptions]("ServiceSupportOptions", 85, serviceNames),
	asn1.Data[value.Value]("Data", dataTags()...),
}, errorNumbers, rejectNumbers)...)

// dataTags are the context tags of the alternatives of Data, which the encodings know by hand.
//
// ISO 9506-2, Data; IEC 61850-8-1, utc-time.
func dataTags() []asn1.Tag {
	tags := []asn1.Tag{1 | asn1.Constructed, 2 | asn1.Constructed, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	for i := range tags {
		tags[i] |= asn1.Context
	}
	return tags
}

var pduType = asn1.Compile[PDU](module)

// AppendXER appends p as one XML element in Namespace, in a form that is canonical. It does not allocate where dst has
// room. On error, a *ValueError, dst is returned as it was.
func AppendXER(dst []byte, p PDU) ([]byte, error) { return xer.Append(dst, pduType, Namespace, p) }

// DecodeXER reads a PDU from b, which holds one XML element. Errors are *SyntaxError.
func DecodeXER(b []byte, l Limits) (PDU, error) {
	var p PDU
	if err := xer.Decode(b, pduType, Namespace, &p, l); err != nil {
		return nil, err
	}
	return p, nil
}

// AppendBER is AppendXER in BER.
func AppendBER(dst []byte, p PDU) ([]byte, error) {
	if out, ok := appendShort(dst, p); ok {
		return out, nil
	}
	return ber.Append(dst, pduType, p)
}

// DecodeBER reads a PDU from b, which holds nothing else. Errors are *SyntaxError.
func DecodeBER(b []byte, l Limits) (PDU, error) {
	if p, ok := decodeShort(b, l.WithDefaults()); ok {
		return p, nil
	}
	return Lenient{}.DecodeBER(b, l)
}

// Lenient says what is read beside the form that DecodeBER reads. AnyLength takes lengths in more octets than they need and
// indefinite lengths, which BER leaves to the sender; the other fields take what devices do beside BER and MMS.
type Lenient ber.Lenient

// Tolerant is all leniencies together.
func Tolerant() Lenient {
	return Lenient{AnyLength: true, AnyInteger: true, PlainUnsigned: true, PlainFloat: true, AnyPadding: true, AnyText: true}
}

// DecodeBER is the function DecodeBER with what n allows.
func (n Lenient) DecodeBER(b []byte, l Limits) (PDU, error) {
	var p PDU
	if err := ber.Lenient(n).Decode(b, pduType, &p, l); err != nil {
		return nil, err
	}
	return p, nil
}
