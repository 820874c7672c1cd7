// libcurand: linked to, but no function of it is used.
