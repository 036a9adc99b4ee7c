package mms

import (
	"strings"

	"busbar.example/internal/asn1"
)

// ParameterSupportOptions is a set of parameter conformance building blocks. Bit i of the BIT STRING is 1<<i.
//
// ISO 9506-2, ParameterSupportOptions.
type ParameterSupportOptions uint32

// The building blocks that IEC 61850 uses.
const (
	ParamSTR1 ParameterSupportOptions = 1 << 0 // arrays
	ParamSTR2 ParameterSupportOptions = 1 << 1 // structures
	ParamVNAM ParameterSupportOptions = 1 << 2 // named variables
	ParamVALT ParameterSupportOptions = 1 << 3 // alternate access
	ParamVLIS ParameterSupportOptions = 1 << 7 // named variable lists
)

// String gives the standard's words for the members of p.
func (p ParameterSupportOptions) String() string {
	return join(parameterNames, func(i int) bool { return p>>i&1 != 0 })
}

var parameterNames = asn1.Names{"str1", "str2", "vnam", "valt", "vadr", "vsca", "tpy", "vlis", "real", "",
	"cei", "aco", "sem", "csr", "csnc", "csplc", "cspi", "char"}

// ServiceKind is a service, by its number in ServiceSupportOptions.
type ServiceKind uint8

// The services that have a PDU in this package.
const (
	ServiceStatus                         ServiceKind = 0
	ServiceGetNameList                    ServiceKind = 1
	ServiceIdentify                       ServiceKind = 2
	ServiceRead                           ServiceKind = 4
	ServiceWrite                          ServiceKind = 5
	ServiceGetVariableAccessAttributes    ServiceKind = 6
	ServiceDefineNamedVariableList        ServiceKind = 11
	ServiceGetNamedVariableListAttributes ServiceKind = 12
	ServiceDeleteNamedVariableList        ServiceKind = 13
	ServiceObtainFile                     ServiceKind = 46
	ServiceReadJournal                    ServiceKind = 65
	ServiceFileOpen                       ServiceKind = 72
	ServiceFileRead                       ServiceKind = 73
	ServiceFileClose                      ServiceKind = 74
	ServiceFileDelete                     ServiceKind = 76
	ServiceFileDirectory                  ServiceKind = 77
	ServiceInformationReport              ServiceKind = 79
	ServiceConclude                       ServiceKind = 83
	ServiceCancel                         ServiceKind = 84
	ServiceExtendedGetNameList            ServiceKind = 93
)

// String gives the standard's word for k.
func (k ServiceKind) String() string { return serviceNames.Text(int64(k)) }

// ServiceSupportOptions is a set of services: ServiceKind k is bit k%64 of element k/64.
//
// ISO 9506-2, ServiceSupportOptions; IEC 61850-8-2 adds extendedGetNameList, whose number is provisional.
type ServiceSupportOptions [2]uint64

// Services makes a set.
func Services(kinds ...ServiceKind) ServiceSupportOptions {
	var s ServiceSupportOptions
	for _, k := range kinds {
		s[k/64%2] |= 1 << (k % 64)
	}
	return s
}

// Has reports whether k is in s.
func (s ServiceSupportOptions) Has(k ServiceKind) bool { return k < 128 && s[k/64]>>(k%64)&1 != 0 }

// String gives the standard's words for the members of s.
func (s ServiceSupportOptions) String() string {
	return join(serviceNames, func(i int) bool { return s.Has(ServiceKind(i)) })
}

// join lists the names of the bits that has reports.
func join(names asn1.Names, has func(int) bool) string {
	var b strings.Builder
	for i := range names {
		if has(i) {
			b.WriteString(" " + names.Text(int64(i)))
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}

var serviceNames = asn1.Names{
	"status", "getNameList", "identify", "rename", "read", "write", "getVariableAccessAttributes",
	"defineNamedVariable", "defineScatteredAccess", "getScatteredAccessAttributes", "deleteVariableAccess",
	"defineNamedVariableList", "getNamedVariableListAttributes", "deleteNamedVariableList", "defineNamedType",
	"getNamedTypeAttributes", "deleteNamedType", "input", "output", "takeControl", "relinquishControl",
	"defineSemaphore", "deleteSemaphore", "reportSemaphoreStatus", "reportPoolSemaphoreStatus",
	"reportSemaphoreEntryStatus", "initiateDownloadSequence", "downloadSegment", "terminateDownloadSequence",
	"initiateUploadSequence", "uploadSegment", "terminateUploadSequence", "requestDomainDownload",
	"requestDomainUpload", "loadDomainContent", "storeDomainContent", "deleteDomain", "getDomainAttributes",
	"createProgramInvocation", "deleteProgramInvocation", "start", "stop", "resume", "reset", "kill",
	"getProgramInvocationAttributes", "obtainFile", "defineEventCondition", "deleteEventCondition",
	"getEventConditionAttributes", "reportEventConditionStatus", "alterEventConditionMonitoring", "triggerEvent",
	"defineEventAction", "deleteEventAction", "getEventActionAttributes", "reportActionStatus",
	"defineEventEnrollment", "deleteEventEnrollment", "alterEventEnrollment", "reportEventEnrollmentStatus",
	"getEventEnrollmentAttributes", "acknowledgeEventNotification", "getAlarmSummary", "getAlarmEnrollmentSummary",
	"readJournal", "writeJournal", "initializeJournal", "reportJournalStatus", "createJournal", "deleteJournal",
	"getCapabilityList", "fileOpen", "fileRead", "fileClose", "fileRename", "fileDelete", "fileDirectory",
	"unsolicitedStatus", "informationReport", "eventNotification", "attachToEventCondition", "attachToSemaphore",
	"conclude", "cancel", "getDataExchangeAttributes", "exchangeData", "defineAccessControlList",
	"getAccessControlListAttributes", "reportAccessControlledObjects", "deleteAccessControlList",
	"alterAccessControl", "reconfigureProgramInvocation", "extendedGetNameList",
}
