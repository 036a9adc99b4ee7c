package acsi

import (
	"context"
	"strings"

	"busbar.example/value"
)

// Services is what one associated peer may ask of an IED. It is implemented by the IED engine, per
// Subject, and by the client side of each mapping; whoever calls cannot tell which.
//
// A service on several objects answers for each of them: the outer error says that the service as a
// whole could not be asked or answered, and then there are no results. The error of one object is an
// *Error. All methods may be called concurrently; ctx bounds the wait for that call's answer only.
//
// IEC 61850-7-2.
type Services interface {
	// Supported lists the services that are served.
	Supported() ServiceSet

	// GetServerDirectory gives the names of the logical devices, sorted by their octets.
	// IEC 61850-7-2, 7.2.2.
	GetServerDirectory(ctx context.Context) ([]string, error)

	// GetLogicalDeviceDirectory gives the names of the logical nodes of ld, sorted by their octets.
	// IEC 61850-7-2, 9.2.1.
	GetLogicalDeviceDirectory(ctx context.Context, ld string) ([]string, error)

	// GetLogicalNodeDirectory gives the names of the data objects of the logical node ln, in the
	// order of the model. IEC 61850-7-2, 10.2.2.
	GetLogicalNodeDirectory(ctx context.Context, ln Ref) ([]string, error)

	// GetAllDataValues gives the value of each data object of the logical node ln under its functional
	// constraint; without one, under each that the data object has. IEC 61850-7-2, 10.2.3.
	GetAllDataValues(ctx context.Context, ln Ref) ([]DataValue, error)

	// GetDataValues gives the value of each ref, in their order. Each has a functional constraint.
	// IEC 61850-7-2, 11.3.2.
	GetDataValues(ctx context.Context, refs []Ref) ([]Result, error)

	// SetDataValues writes each assignment, in their order, and gives nil or the error of each. One that
	// fails does not undo the others. IEC 61850-7-2, 11.3.3.
	SetDataValues(ctx context.Context, assignments []Assignment) ([]error, error)

	// GetDataDirectory gives the names of the parts of a data object or of an attribute, in the order of
	// the model. IEC 61850-7-2, 11.3.4.
	GetDataDirectory(ctx context.Context, ref Ref) ([]string, error)

	// GetDataDefinition gives the type of what ref names: a data object, an attribute or a whole logical
	// node. A functional constraint in ref leaves out what is not under it. The Node is shared: it must not
	// be changed. IEC 61850-7-2, 11.3.5.
	GetDataDefinition(ctx context.Context, ref Ref) (*Node, error)
}

// Result is the outcome of reading one object: a value, or the reason why there is none.
type Result struct {
	Value value.Value
	Err   error // an *Error
}

// DataValue is one data object under one functional constraint with its value.
type DataValue struct {
	Ref Ref
	Result
}

// Assignment is a value and where it is to be written. Ref has a functional constraint.
type Assignment struct {
	Ref   Ref
	Value value.Value
}

// ServiceSet is a set of ACSI services.
type ServiceSet uint64

// The services, named as in IEC 61850-7-2.
const (
	GetServerDirectory ServiceSet = 1 << iota
	GetLogicalDeviceDirectory
	GetLogicalNodeDirectory
	GetAllDataValues
	GetDataValues
	SetDataValues
	GetDataDirectory
	GetDataDefinition
)

var serviceNames = [...]string{"GetServerDirectory", "GetLogicalDeviceDirectory", "GetLogicalNodeDirectory",
	"GetAllDataValues", "GetDataValues", "SetDataValues", "GetDataDirectory", "GetDataDefinition"}

// Has reports whether s holds all of t.
func (s ServiceSet) Has(t ServiceSet) bool { return s&t == t }

// String lists the services, separated by spaces.
func (s ServiceSet) String() string {
	var names []string
	for i, name := range serviceNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// UnimplementedServices answers every service with object-access-unsupported. An implementation that
// serves a part of Services embeds it.
type UnimplementedServices struct{}

var _ Services = UnimplementedServices{}

func unsupported(service ServiceSet) error {
	return Errorf(ObjectAccessUnsupported, "%s is not served", service)
}

// Supported is the empty set.
func (UnimplementedServices) Supported() ServiceSet { return 0 }

// GetServerDirectory is not served.
func (UnimplementedServices) GetServerDirectory(context.Context) ([]string, error) {
	return nil, unsupported(GetServerDirectory)
}

// GetLogicalDeviceDirectory is not served.
func (UnimplementedServices) GetLogicalDeviceDirectory(context.Context, string) ([]string, error) {
	return nil, unsupported(GetLogicalDeviceDirectory)
}

// GetLogicalNodeDirectory is not served.
func (UnimplementedServices) GetLogicalNodeDirectory(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetLogicalNodeDirectory)
}

// GetAllDataValues is not served.
func (UnimplementedServices) GetAllDataValues(context.Context, Ref) ([]DataValue, error) {
	return nil, unsupported(GetAllDataValues)
}

// GetDataValues is not served.
func (UnimplementedServices) GetDataValues(context.Context, []Ref) ([]Result, error) {
	return nil, unsupported(GetDataValues)
}

// SetDataValues is not served.
func (UnimplementedServices) SetDataValues(context.Context, []Assignment) ([]error, error) {
	return nil, unsupported(SetDataValues)
}

// GetDataDirectory is not served.
func (UnimplementedServices) GetDataDirectory(context.Context, Ref) ([]string, error) {
	return nil, unsupported(GetDataDirectory)
}

// GetDataDefinition is not served.
func (UnimplementedServices) GetDataDefinition(context.Context, Ref) (*Node, error) {
	return nil, unsupported(GetDataDefinition)
}
