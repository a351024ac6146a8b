"""The errors that end `make package`, `make deploy` and `make destroy`. Each message says what failed, and why.

DeployError
├── InvalidStage           the name of the stage cannot be used
├── UnsupportedRegion      functions could not verify a database in this region
├── UnknownParameters      no template has a parameter of this name
├── ReservedParameters     the deployment sets the parameter itself
├── SecretInUse            CloudFront sends the secret that a parameter would replace
├── DependenciesMissing    a requirement could not be downloaded for Lambda
├── PackagingFailed        Chalice failed, or two template parts contradict each other
├── StackFailed            CloudFormation could not create, update or delete a stack
├── MigrationFailed        the function `migrate` ended with an error
└── StageProtected         the database must not be deleted without confirmation
"""


class DeployError(Exception):
    """Packaging or deployment stopped."""


class InvalidStage(DeployError):
    """The stage's name is malformed, reserved, or clashes with the stacks of another stage."""


class UnsupportedRegion(DeployError):
    """The package has no certificate authority for databases in the region."""


class UnknownParameters(DeployError):
    """A parameter is in none of the templates, so setting it would have no effect."""


class ReservedParameters(DeployError):
    """A parameter connects the stacks of a stage, so the deployment sets it."""


class SecretInUse(DeployError):
    """The API would refuse what CloudFront sends, until the end of the deployment."""


class DependenciesMissing(DeployError):
    """At least one requirement has no wheel for Lambda."""


class PackagingFailed(DeployError):
    """No package was created."""


class StackFailed(DeployError):
    """A stack is not in the state it was deployed for."""


class MigrationFailed(DeployError):
    """The schema was not brought up to date."""


class StageProtected(DeployError):
    """The database of the stage is protected from deletion, and the deletion was not confirmed."""
