# Read by the login shell of swapmig shell.
export PS1='guest:\w# '
