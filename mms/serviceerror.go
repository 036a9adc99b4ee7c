package mms

import "busbar.example/internal/asn1"

// ServiceError is why a service was not done.
//
// ISO 9506-2, ServiceError.
type ServiceError struct {
	ErrorClass                 ErrorClass                 `asn:"errorClass [0]"`
	AdditionalCode             *int32                     `asn:"additionalCode [1] OPTIONAL"`
	AdditionalDescription      *string                    `asn:"additionalDescription [2] VisibleString OPTIONAL"`
	ServiceSpecificInformation ServiceSpecificInformation `asn:"serviceSpecificInformation [3] OPTIONAL ALIAS serviceSpecificInfo"` // nil: none
}

// ServiceSpecificInformation is ObtainFileError or DeleteNamedVariableListError: only the services that IEC 61850 uses
// have some.
//
// ISO 9506-2, ServiceError.
type ServiceSpecificInformation interface{ serviceSpecific() }

// ObtainFileError is the file that obtainFile has failed for.
//
// ISO 9506-2, ObtainFile-Error.
type ObtainFileError int32

// The files.
const (
	ObtainFileSource      ObtainFileError = 0
	ObtainFileDestination ObtainFileError = 1
)

var obtainFileErrorNames = asn1.Names{"source-file", "destination-file"}

// String gives the standard's word for e.
func (e ObtainFileError) String() string { return obtainFileErrorNames.Text(int64(e)) }

// DeleteNamedVariableListError is how many lists were deleted before deleteNamedVariableList failed.
//
// ISO 9506-2, DeleteNamedVariableList-Error.
type DeleteNamedVariableListError uint32

func (ObtainFileError) serviceSpecific()              {}
func (DeleteNamedVariableListError) serviceSpecific() {}

var serviceSpecificInformationDecl = asn1.Choice[ServiceSpecificInformation]("CHOICE",
	asn1.Alt[ObtainFileError]("obtainFile [0]"),
	asn1.Alt[DeleteNamedVariableListError]("deleteNamedVariableList [6]"),
)

// ErrorClass is a class of errors and the error in it, one of the types below. Error classes compare with ==. String gives
// the standard's words for both, for example "access: object-non-existent".
//
// ISO 9506-2, ServiceError.
type ErrorClass interface {
	String() string
	errorClass()
}

// The classes of errors; each is about:
type (
	ErrorVMDState             int32 // the state of the server
	ErrorApplicationReference int32 // a third party
	ErrorDefinition           int32 // the definition of an object
	ErrorResource             int32 // a resource of the server
	ErrorService              int32 // the use of the service
	ErrorServicePreempt       int32 // a service that was cut short
	ErrorTimeResolution       int32 // the resolution of a time
	ErrorAccess               int32 // the access to an object
	ErrorInitiate             int32 // the parameters of Initiate
	ErrorConclude             int32 // Conclude
	ErrorCancel               int32 // Cancel
	ErrorFile                 int32 // a file
	ErrorOthers               int32 // anything else
)

// The errors of each class.
const (
	VMDStateOther                 ErrorVMDState = 0
	VMDStateConflict              ErrorVMDState = 1
	VMDStateOperationalProblem    ErrorVMDState = 2
	VMDStateDomainTransferProblem ErrorVMDState = 3
	VMDStateStateMachineIDInvalid ErrorVMDState = 4

	ApplicationReferenceOther                       ErrorApplicationReference = 0
	ApplicationReferenceApplicationUnreachable      ErrorApplicationReference = 1
	ApplicationReferenceConnectionLost              ErrorApplicationReference = 2
	ApplicationReferenceApplicationReferenceInvalid ErrorApplicationReference = 3
	ApplicationReferenceContextUnsupported          ErrorApplicationReference = 4

	DefinitionOther                       ErrorDefinition = 0
	DefinitionObjectUndefined             ErrorDefinition = 1
	DefinitionInvalidAddress              ErrorDefinition = 2
	DefinitionTypeUnsupported             ErrorDefinition = 3
	DefinitionTypeInconsistent            ErrorDefinition = 4
	DefinitionObjectExists                ErrorDefinition = 5
	DefinitionObjectAttributeInconsistent ErrorDefinition = 6

	ResourceOther                        ErrorResource = 0
	ResourceMemoryUnavailable            ErrorResource = 1
	ResourceProcessorResourceUnavailable ErrorResource = 2
	ResourceMassStorageUnavailable       ErrorResource = 3
	ResourceCapabilityUnavailable        ErrorResource = 4
	ResourceCapabilityUnknown            ErrorResource = 5

	ServiceOther                    ErrorService = 0
	ServicePrimitivesOutOfSequence  ErrorService = 1
	ServiceObjectStateConflict      ErrorService = 2
	ServicePDUSize                  ErrorService = 3
	ServiceContinuationInvalid      ErrorService = 4
	ServiceObjectConstraintConflict ErrorService = 5

	ServicePreemptOther    ErrorServicePreempt = 0
	ServicePreemptTimeout  ErrorServicePreempt = 1
	ServicePreemptDeadlock ErrorServicePreempt = 2
	ServicePreemptCancel   ErrorServicePreempt = 3

	TimeResolutionOther                       ErrorTimeResolution = 0
	TimeResolutionUnsupportableTimeResolution ErrorTimeResolution = 1

	AccessOther                   ErrorAccess = 0
	AccessObjectAccessUnsupported ErrorAccess = 1
	AccessObjectNonExistent       ErrorAccess = 2
	AccessObjectAccessDenied      ErrorAccess = 3
	AccessObjectInvalidated       ErrorAccess = 4

	InitiateOther                                     ErrorInitiate = 0
	InitiateVersionIncompatible                       ErrorInitiate = 1
	InitiateMaxSegmentInsufficient                    ErrorInitiate = 2
	InitiateMaxServicesOutstandingCallingInsufficient ErrorInitiate = 3
	InitiateMaxServicesOutstandingCalledInsufficient  ErrorInitiate = 4
	InitiateServiceCBBInsufficient                    ErrorInitiate = 5
	InitiateParameterCBBInsufficient                  ErrorInitiate = 6
	InitiateNestingLevelInsufficient                  ErrorInitiate = 7

	ConcludeOther                        ErrorConclude = 0
	ConcludeFurtherCommunicationRequired ErrorConclude = 1

	CancelOther             ErrorCancel = 0
	CancelInvokeIDUnknown   ErrorCancel = 1
	CancelCancelNotPossible ErrorCancel = 2

	FileOther                        ErrorFile = 0
	FileFilenameAmbiguous            ErrorFile = 1
	FileFileBusy                     ErrorFile = 2
	FileFilenameSyntaxError          ErrorFile = 3
	FileContentTypeInvalid           ErrorFile = 4
	FilePositionInvalid              ErrorFile = 5
	FileFileAccessDenied             ErrorFile = 6
	FileFileNonExistent              ErrorFile = 7
	FileDuplicateFilename            ErrorFile = 8
	FileInsufficientSpaceInFilestore ErrorFile = 9

	OthersOther ErrorOthers = 0
)

var (
	errorVMDStateNames             = asn1.Names{"other", "vmd-state-conflict", "vmd-operational-problem", "domain-transfer-problem", "state-machine-id-invalid"}
	errorApplicationReferenceNames = asn1.Names{"other", "application-unreachable", "connection-lost", "application-reference-invalid", "context-unsupported"}
	errorDefinitionNames           = asn1.Names{"other", "object-undefined", "invalid-address", "type-unsupported", "type-inconsistent", "object-exists", "object-attribute-inconsistent"}
	errorResourceNames             = asn1.Names{"other", "memory-unavailable", "processor-resource-unavailable", "mass-storage-unavailable", "capability-unavailable", "capability-unknown"}
	errorServiceNames              = asn1.Names{"other", "primitives-out-of-sequence", "object-state-conflict", "pdu-size", "continuation-invalid", "object-constraint-conflict"}
	errorServicePreemptNames       = asn1.Names{"other", "timeout", "deadlock", "cancel"}
	errorTimeResolutionNames       = asn1.Names{"other", "unsupportable-time-resolution"}
	errorAccessNames               = asn1.Names{"other", "object-access-unsupported", "object-non-existent", "object-access-denied", "object-invalidated"}
	errorInitiateNames             = asn1.Names{"other", "version-incompatible", "max-segment-insufficient", "max-services-outstanding-calling-insufficient", "max-services-outstanding-called-insufficient", "service-CBB-insufficient", "parameter-CBB-insufficient", "nesting-level-insufficient"}
	errorConcludeNames             = asn1.Names{"other", "further-communication-required"}
	errorCancelNames               = asn1.Names{"other", "invoke-id-unknown", "cancel-not-possible"}
	errorOthersNames               = asn1.Names{"other"} // for String only: an error of this class travels as a number
	errorFileNames                 = asn1.Names{"other", "filename-ambiguous", "file-busy", "filename-syntax-error", "content-type-invalid", "position-invalid", "file-access-denied", "file-non-existent", "duplicate-filename", "insufficient-space-in-filestore"}
)

func (ErrorVMDState) errorClass()             {}
func (ErrorApplicationReference) errorClass() {}
func (ErrorDefinition) errorClass()           {}
func (ErrorResource) errorClass()             {}
func (ErrorService) errorClass()              {}
func (ErrorServicePreempt) errorClass()       {}
func (ErrorTimeResolution) errorClass()       {}
func (ErrorAccess) errorClass()               {}
func (ErrorInitiate) errorClass()             {}
func (ErrorConclude) errorClass()             {}
func (ErrorCancel) errorClass()               {}
func (ErrorFile) errorClass()                 {}
func (ErrorOthers) errorClass()               {}

// String gives the class and the standard's word for e.
func (e ErrorVMDState) String() string { return "vmd-state: " + errorVMDStateNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorApplicationReference) String() string {
	return "application-reference: " + errorApplicationReferenceNames.Text(int64(e))
}

// String gives the class and the standard's word for e.
func (e ErrorDefinition) String() string { return "definition: " + errorDefinitionNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorResource) String() string { return "resource: " + errorResourceNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorService) String() string { return "service: " + errorServiceNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorServicePreempt) String() string {
	return "service-preempt: " + errorServicePreemptNames.Text(int64(e))
}

// String gives the class and the standard's word for e.
func (e ErrorTimeResolution) String() string {
	return "time-resolution: " + errorTimeResolutionNames.Text(int64(e))
}

// String gives the class and the standard's word for e.
func (e ErrorAccess) String() string { return "access: " + errorAccessNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorInitiate) String() string { return "initiate: " + errorInitiateNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorConclude) String() string { return "conclude: " + errorConcludeNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorCancel) String() string { return "cancel: " + errorCancelNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorFile) String() string { return "file: " + errorFileNames.Text(int64(e)) }

// String gives the class and the standard's word for e.
func (e ErrorOthers) String() string { return "others: " + errorOthersNames.Text(int64(e)) }

var errorClassDecl = asn1.Choice[ErrorClass]("CHOICE",
	asn1.Alt[ErrorVMDState]("vmd-state [0]"),
	asn1.Alt[ErrorApplicationReference]("application-reference [1]"),
	asn1.Alt[ErrorDefinition]("definition [2]"),
	asn1.Alt[ErrorResource]("resource [3]"),
	asn1.Alt[ErrorService]("service [4]"),
	asn1.Alt[ErrorServicePreempt]("service-preempt [5]"),
	asn1.Alt[ErrorTimeResolution]("time-resolution [6]"),
	asn1.Alt[ErrorAccess]("access [7]"),
	asn1.Alt[ErrorInitiate]("initiate [8]"),
	asn1.Alt[ErrorConclude]("conclude [9]"),
	asn1.Alt[ErrorCancel]("cancel [10]"),
	asn1.Alt[ErrorFile]("file [11]"),
	asn1.Alt[ErrorOthers]("others [12]"),
)

var errorNumbers = []asn1.Decl{
	asn1.Numbers[ErrorVMDState]("INTEGER", errorVMDStateNames),
	asn1.Numbers[ErrorApplicationReference]("INTEGER", errorApplicationReferenceNames),
	asn1.Numbers[ErrorDefinition]("INTEGER", errorDefinitionNames),
	asn1.Numbers[ErrorResource]("INTEGER", errorResourceNames),
	asn1.Numbers[ErrorService]("INTEGER", errorServiceNames),
	asn1.Numbers[ErrorServicePreempt]("INTEGER", errorServicePreemptNames),
	asn1.Numbers[ErrorTimeResolution]("INTEGER", errorTimeResolutionNames),
	asn1.Numbers[ErrorAccess]("INTEGER", errorAccessNames),
	asn1.Numbers[ErrorInitiate]("INTEGER", errorInitiateNames),
	asn1.Numbers[ErrorConclude]("INTEGER", errorConcludeNames),
	asn1.Numbers[ErrorCancel]("INTEGER", errorCancelNames),
	asn1.Numbers[ErrorFile]("INTEGER", errorFileNames),
}
