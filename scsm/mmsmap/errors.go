package mmsmap

import (
	"errors"

	"busbar.example/acsi"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
)

// dataAccessError is the outcome of one object as MMS says it. Anything but an *acsi.Error is a fault of
// ours: the peer hears of hardware, fault is the rest.
func dataAccessError(err error) (code mms.DataAccessError, fault error) {
	var e *acsi.Error
	if errors.As(err, &e) {
		return mms.DataAccessError(e.Code), nil // the codes have the numbers of the mapping
	}
	return mms.HardwareFault, err
}

// accessError is the reverse: what the peer said of one object.
func accessError(code mms.DataAccessError) *acsi.Error {
	if code < 0 || code > mms.ObjectValueInvalid {
		return &acsi.Error{Code: acsi.HardwareFault, Remote: true, Text: "the peer gives a reason without a name: " + code.String()}
	}
	return &acsi.Error{Code: acsi.Code(code), Remote: true}
}

// serviceErrors pairs the outcomes of a whole service in ACSI and in MMS. The first pair that fits counts.
type serviceErrors []struct {
	code  acsi.Code
	class mms.ErrorClass
}

// errorsOfServices are those of most services.
//
// IEC 61850-8-1, Table "Mapping of ACSI service errors".
var errorsOfServices = serviceErrors{
	{acsi.ObjectNonExistent, mms.AccessObjectNonExistent},
	{acsi.ObjectAccessDenied, mms.AccessObjectAccessDenied},
	{acsi.ObjectAccessUnsupported, mms.AccessObjectAccessUnsupported},
	{acsi.ObjectInvalidated, mms.AccessObjectInvalidated},
	{acsi.ObjectUndefined, mms.DefinitionObjectUndefined},
	{acsi.InvalidAddress, mms.DefinitionInvalidAddress},
	{acsi.TypeUnsupported, mms.DefinitionTypeUnsupported},
	{acsi.TypeInconsistent, mms.DefinitionTypeInconsistent},
	{acsi.ObjectAttributeInconsistent, mms.DefinitionObjectAttributeInconsistent},
	{acsi.TemporarilyUnavailable, mms.ServiceObjectStateConflict},
	{acsi.HardwareFault, mms.VMDStateOperationalProblem},
	{acsi.ObjectValueInvalid, mms.DefinitionObjectAttributeInconsistent}, // and back as the code above that has this class
}

// errorsOfDefinitions are what the making of a data set has beside them: its name is taken, what it is to hold is not there, it or
// its like are too many.
var errorsOfDefinitions = append(serviceErrors{
	{acsi.ObjectAttributeInconsistent, mms.DefinitionObjectExists},
	{acsi.ObjectNonExistent, mms.DefinitionObjectUndefined},
	{acsi.TemporarilyUnavailable, mms.ResourceCapabilityUnavailable},
	{acsi.TemporarilyUnavailable, mms.ResourceMemoryUnavailable},
}, errorsOfServices...)

// errorsOfDeletions: a control block makes use of it.
var errorsOfDeletions = append(serviceErrors{
	{acsi.TemporarilyUnavailable, mms.ServiceObjectConstraintConflict},
}, errorsOfServices...)

var errorsOfFiles = append(serviceErrors{
	{acsi.ObjectNonExistent, mms.FileFileNonExistent},
	{acsi.ObjectAccessDenied, mms.FileFileAccessDenied},
	{acsi.InvalidAddress, mms.FileFilenameSyntaxError},
	{acsi.InvalidAddress, mms.FileFilenameAmbiguous},
	{acsi.ObjectValueInvalid, mms.FilePositionInvalid},
	{acsi.TemporarilyUnavailable, mms.FileFileBusy},
	{acsi.HardwareFault, mms.FileInsufficientSpaceInFilestore},
	{acsi.ObjectAttributeInconsistent, mms.FileDuplicateFilename},
	{acsi.TypeInconsistent, mms.FileContentTypeInvalid},
}, errorsOfServices...)

// serviceError is the outcome of most services as MMS says it.
func serviceError(err error) error { return errorsOfServices.of(err) }

// of is the outcome of a whole service as MMS says it. Anything but an *acsi.Error stays as it is: a fault of ours, which
// the association keeps from the peer.
func (s serviceErrors) of(err error) error {
	var e *acsi.Error
	if !errors.As(err, &e) {
		return err
	}
	for _, pair := range s {
		if pair.code == e.Code {
			return &assoc.ServiceError{Class: pair.class}
		}
	}
	return err
}

// answerError is what a call of most services that failed means in ACSI.
func answerError(err error) error { return errorsOfServices.meaning(err) }

// meaning is the reverse of of. Where no answer came the error stays as it is.
func (s serviceErrors) meaning(err error) error {
	var e *assoc.ServiceError
	if !errors.As(err, &e) {
		return err
	}
	for _, pair := range s {
		if pair.class == e.Class {
			return &acsi.Error{Code: pair.code, Remote: true}
		}
	}
	return &acsi.Error{Code: acsi.HardwareFault, Remote: true, Text: e.Error()}
}
